"""Each rule finds what it should and nothing else, and says why if it cannot run."""

import dataclasses
from typing import Any

import pytest
from crafted import EVERYTHING, POLICY, TODAY, Audit, Change, TickingClock, checked, crafted, result_of, statuses
from harness import Where

from audit.config import CheckSettings
from audit.errors import UsageError
from audit.review.check.check import check
from audit.review.check.facts import missing_tables
from audit.review.check.finding import Severity
from audit.review.check.rules import load_rules
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Json, Organization
from audit.simulator.simulation import ADMIN_SCOPES


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


ALL_RULES = {rule.rule_id for rule in load_rules()}


def setting(**changes: Any) -> Change:
    return lambda _, answer: answer | changes


def member(**changes: Any) -> Change:
    """Change the first member."""
    return lambda _, answer: answer | {"members": [answer["members"][0] | changes, *answer["members"][1:]]}


def elsewhere(organization: Organization, answer: Json) -> Json:
    place = {name: organization.locations[1][name] for name in ("id", "name")}
    return member(location=place)(organization, answer)


def twice(_: Organization, answer: Json) -> Json:
    return answer | {"members": [*answer["members"], answer["members"][0]]}


FOUND_IN_ROOMS: list[tuple[str, Change, str]] = [
    (
        "two-way-auto-answer",
        setting(connectionType="TWO_WAY"),
        "lets callers listen and speak; only the 4 members on its list may call",
    ),
    ("block-list-empty", setting(accessType="BLOCK_MEMBERS", members=[]), "answers by itself to anyone, who can speak"),
    ("allow-list-empty", setting(members=[]), "answers by itself, and nobody may call"),
    ("unknown-setting", setting(connectionType="HALF_DUPLEX"), "connection type HALF_DUPLEX, access type ALLOW_"),
    (
        "member-of-another-location",
        elsewhere,
        "(user0001@example.com) is at Riverside Clinic, not at Paragville Main Hospital",
    ),
    ("member-of-another-location", member(location="Moon Base"), "is at Moon Base, not at "),
    ("member-of-another-domain", member(email="ann@Example.com.evil.test"), "address ann@Example.com.evil.test"),
    ("member-of-unsupported-type", member(type="HUNT_GROUP"), "(user0001@example.com) is of type HUNT_GROUP"),
    ("member-no-longer-exists", member(id="Y2lzY29zcGFyazovL3VzL1BFT1BMRS9nb25l"), "is no longer listed"),
    ("member-without-valid-number", member(numbers=[]), "(user0001@example.com) has no number"),
    (
        "member-without-valid-number",
        member(numbers=[{"external": "+198455501099", "extension": "7"}]),
        "has only the invalid number +198455501099",
    ),
    ("member-twice", twice, "(user0001@example.com) stands in the list 2 times"),
]


def test_each_rule_finds_the_one_room_that_is_wrong(audit: Audit) -> None:
    organization = crafted(*(change for _, change, _ in FOUND_IN_ROOMS), workspaces=len(FOUND_IN_ROOMS) + 2)
    snapshot = audit(Simulation(organization), scope__entities=["workspace", "person"])
    findings = {finding.entity_name: finding for finding in checked(snapshot).findings}
    assert len(findings) == len(checked(snapshot).findings) == len(FOUND_IN_ROOMS)
    for index, (rule_id, _, detail) in enumerate(FOUND_IN_ROOMS):
        finding = findings[f"Room {index}"]
        assert finding.rule_id == rule_id
        assert detail in finding.detail
        assert (finding.entity_type, finding.entity_id) == ("WORKSPACE", organization.workspace(index)["id"])
        assert (finding.org_id, finding.location_name) == (
            snapshot.manifest.orgs[0].org_id,
            organization.locations[0]["name"],
        )


ON = {"autoAnswerEnabled": True}
FOUND_IN_ANSWERS: list[tuple[Json, Json, set[str], str]] = [
    (ON, {"allowAutoAnswer": False}, {"answers-calls-by-itself"}, "answers ordinary calls by itself"),
    (ON | {"preferredAnswerEndpointRequired": True, "preferredAnswerEndpointType": "NONE"}, {"allowAutoAnswer": False},
     {"answers-calls-by-itself"}, "at a preferred endpoint, but none is set"),
    (ON, {"allowAutoAnswer": True}, {"answers-calls-by-itself", "open-microphone"},
     "lets the 4 members on its list speak"),
    (ON, {"allowAutoAnswer": True, "accessType": "BLOCK_MEMBERS"}, {"answers-calls-by-itself", "open-microphone"},
     "lets anyone but the 4 members on its list speak"),
    (ON, {"allowAutoAnswer": True, "connectionType": "TWO_WAY"},
     {"answers-calls-by-itself", "open-microphone", "two-way-auto-answer"},
     "lets the 4 members on its list listen and speak"),
    (ON, {"allowAutoAnswer": True, "members": []}, {"answers-calls-by-itself", "open-microphone", "allow-list-empty"},
     "lets nobody speak"),
    ({"autoAnswerEnabled": False}, {"allowAutoAnswer": True}, set(), ""),
]  # fmt: skip


def test_rooms_that_answer_calls_by_themselves_are_found(audit: Audit) -> None:
    rooms = [setting(**changes) for _, changes, _, _ in FOUND_IN_ANSWERS]
    organization = crafted(*rooms, answers=[answers for answers, _, _, _ in FOUND_IN_ANSWERS])
    snapshot = audit(Simulation(organization), scope__datasets=["push-to-talk", "answer-settings"])
    findings = checked(snapshot).findings
    for index, (_, _, rules, detail) in enumerate(FOUND_IN_ANSWERS):
        found = [finding for finding in findings if finding.entity_name == f"Room {index}"]
        assert {finding.rule_id for finding in found} == rules
        assert not rules or any(detail in finding.detail for finding in found)
        assert {finding.location_name for finding in found} <= {organization.locations[0]["name"]}


WITHOUT_DEVICE: list[tuple[Any, Json, str | None]] = [
    ([], {}, "no device, and Push-to-Talk answers by itself; only the 4 members on its list may call"),
    ([], {"accessType": "BLOCK_MEMBERS"}, "anyone but the 4 members on its list may call"),
    ([], {"accessType": "SOME_MEMBERS"}, "access type SOME_MEMBERS"),
    ([], {"allowAutoAnswer": False}, None),
    ([], {"members": []}, None),
    ([{"id": "phone", "connectionStatus": "offline_expired"}], {}, None),
    ([{"id": "a device of a kind that is not known"}], {}, None),
    (None, {}, None),
    ([{"product": "no id"}], {}, None),
]


def test_an_open_room_is_found_only_if_it_certainly_has_no_device(audit: Audit) -> None:
    organization = crafted(
        *(setting(**changes) for _, changes, _ in WITHOUT_DEVICE), devices=[said for said, _, _ in WITHOUT_DEVICE]
    )
    result = result_of(checked(audit(Simulation(organization))), "open-room-without-device")
    found = {finding.entity_name: finding.detail for finding in result.findings}
    expected = {f"Room {index}": detail for index, (_, _, detail) in enumerate(WITHOUT_DEVICE) if detail}
    assert found.keys() == expected.keys()
    assert all(expected[room] in detail for room, detail in found.items())
    assert {finding.severity for finding in result.findings} == {"low"}
    assert result.reason == (
        "workspace_devices has gaps in 1 of 1 organization: the listing does not say which devices 2 of 9 workspaces "
        "have; 1 listed device has no usable id"
    )


#: What the listing says of the devices, whether ordinary calls are answered, and whether the rule finds the room.
ANSWERS_WITHOUT_DEVICE: list[tuple[Any, Json, bool]] = [
    ([], {"autoAnswerEnabled": True}, True),
    ([], {"autoAnswerEnabled": True, "preferredAnswerEndpointRequired": True}, True),
    ([], {"autoAnswerEnabled": False}, False),
    ([{"id": "phone", "connectionStatus": "offline_expired"}], {"autoAnswerEnabled": True}, False),
    (None, {"autoAnswerEnabled": True}, False),
    ([{"product": "no id"}], {"autoAnswerEnabled": True}, False),
]


@pytest.mark.parametrize("datasets", [["answer-settings"], ["push-to-talk", "answer-settings"]])
def test_a_room_without_device_is_found_by_each_way_that_was_read(audit: Audit, datasets: list[str]) -> None:
    off = setting(allowAutoAnswer=False)
    organization = crafted(
        *(off for _ in ANSWERS_WITHOUT_DEVICE),
        devices=[said for said, _, _ in ANSWERS_WITHOUT_DEVICE],
        answers=[answers for _, answers, _ in ANSWERS_WITHOUT_DEVICE],
        workspaces=len(ANSWERS_WITHOUT_DEVICE),
    )
    result = checked(audit(Simulation(organization), scope__datasets=datasets))
    answering = result_of(result, "answering-room-without-device")
    expected = {f"Room {index}" for index, (_, _, is_found) in enumerate(ANSWERS_WITHOUT_DEVICE) if is_found}
    assert {finding.entity_name for finding in answering.findings} == expected
    assert "workspace_devices has gaps" in (answering.reason or "")
    assert result_of(result, "open-room-without-device").findings == []


@pytest.mark.parametrize("dataset", ["push-to-talk", "answer-settings"])
def test_the_way_that_was_not_read_is_skipped_and_the_other_is_judged(audit: Audit, dataset: str) -> None:
    organization = crafted(devices=[[]] * 3, answers=[{"autoAnswerEnabled": True}] * 3)
    result = checked(audit(Simulation(organization), scope__datasets=[dataset]))
    rules = {"push-to-talk": "open-room-without-device", "answer-settings": "answering-room-without-device"}
    assert len(result_of(result, rules.pop(dataset)).findings) == 3
    ((other, rule_id),) = rules.items()
    skipped = result_of(result, rule_id)
    assert (skipped.status, skipped.reason) == ("skipped", f"needs --dataset {other}")


@pytest.mark.parametrize(
    ("quirk", "reason"),
    [
        ("no-devices", "the listing does not say which devices 3 of 3 workspaces have"),
        ("devices-refused", "the workspaces are listed without their devices"),
    ],
)
def test_no_room_passes_the_rule_on_devices_where_they_are_not_known(quirk: str, reason: str, audit: Audit) -> None:
    result = result_of(checked(audit(Simulation(crafted(), parse(quirk)))), "open-room-without-device")
    assert (result.status, result.findings) == ("skipped", [])
    assert f"workspace_devices has gaps in 1 of 1 organization: {reason}" in (result.reason or "")


def test_a_rule_on_settings_that_the_api_does_not_offer_is_skipped_and_not_passed(audit: Audit) -> None:
    snapshot = audit(Simulation(crafted(), parse("no-answers")), scope__datasets=["push-to-talk", "answer-settings"])
    assert snapshot.manifest.status == "complete"
    for rule_id in ("answers-calls-by-itself", "open-microphone"):
        result = result_of(checked(snapshot), rule_id)
        assert (result.status, result.reason) == (
            "skipped",
            "the API does not offer answer_settings to 1 of 1 organization yet",
        )


def test_a_paging_group_with_many_callers_and_loudspeakers_is_found(audit: Audit) -> None:
    organization = dataclasses.replace(Organization(30, odd=False), paging_groups=40)
    snapshot = audit(Simulation(organization), scope__datasets=["paging-groups"])
    details = [organization.paging.details(index) for index in range(40)]
    expected = {
        each["id"]: f"{len(each['originators'])} may open {len(each['targets'])} loudspeakers at once"
        for each in details
        if each["enabled"] and len(each["originators"]) >= 5 and len(each["targets"]) >= 10
    }
    found = checked(snapshot).findings
    assert {finding.entity_id: finding.detail for finding in found} == expected != {}
    assert {(finding.rule_id, finding.entity_type) for finding in found} == {("anyone-pages-many", "PAGING_GROUP")}


NUMBER = {"countryCode": "1", "number": "4085265500", "enabledCallInAuthentication": True}
BY_PIN = NUMBER | {"enabledCallInAuthentication": False}
FOUND_OF_USERS: list[tuple[str, Json, str]] = [
    ("audio-pin-unset", {"audioPin": "", "officeNumber": BY_PIN, "mobileNumber": BY_PIN}, "no audio PIN on {}"),
    ("audio-pin-weak", {"audioPin": "4321"}, "the audio PIN is sequential on {}"),
    ("audio-pin-weak", {"audioPin": "7777"}, "the audio PIN is repeated on {}"),
    ("audio-pin-weak", {"audioPin": "25804"}, "the audio PIN is malformed on {}"),
    ("toll-free-enabled", {"enabledTollFree": True}, "toll-free call-in is on, on {}"),
    ("global-call-in-enabled", {"enabledGlobalCallIn": True}, "global call-in is on, on {}"),
]
ALONE = "the {} number identifies the user without a PIN"
CALLERS: list[tuple[Json, set[str]]] = [
    ({"audioPin": "", "officeNumber": BY_PIN, "mobileNumber": NUMBER}, {ALONE.format("mobile")}),
    ({"audioPin": "", "officeNumber": NUMBER, "mobileNumber": BY_PIN}, {ALONE.format("office")}),
    ({"audioPin": ""}, {ALONE.format("office"), ALONE.format("mobile")}),
    ({"audioPin": "", "officeNumber": NUMBER | {"number": ""}, "mobileNumber": BY_PIN}, set()),
    ({"officeNumber": BY_PIN, "mobileNumber": BY_PIN}, set()),
    ({}, set()),
]


def test_each_rule_finds_the_one_user_who_is_wrong(audit: Audit) -> None:
    organization = crafted(audio=[setting(**changes) for _, changes, _ in FOUND_OF_USERS])
    snapshot = audit(Simulation(organization), scope__datasets=["audio-options"], scope__all_users=True)
    assert {(finding.rule_id, finding.entity_id, finding.detail) for finding in checked(snapshot).findings} == {
        (rule_id, organization.person(index)["id"], detail.format(site["siteUrl"]))
        for index, (rule_id, _, detail) in enumerate(FOUND_OF_USERS)
        for site in organization.sites(index)
    }
    assert all(organization.sites(index) for index in range(len(FOUND_OF_USERS)))


def test_a_number_that_authenticates_is_found_only_if_no_pin_is_asked_for(audit: Audit) -> None:
    organization = crafted(audio=[setting(**changes) for changes, _ in CALLERS])
    snapshot = audit(Simulation(organization), scope__datasets=["audio-options"], scope__all_users=True)
    found = result_of(checked(snapshot), "call-in-without-pin").findings
    assert {(finding.entity_id, finding.detail) for finding in found} == {
        (organization.person(index)["id"], f"{detail} on {site['siteUrl']}")
        for index, (_, details) in enumerate(CALLERS)
        for site in organization.sites(index)
        for detail in details
    }


def test_a_clean_organization_passes_every_rule_and_none_is_skipped(audit: Audit) -> None:
    before = audit(Simulation(crafted()), **EVERYTHING)
    result = checked(audit(Simulation(crafted()), **EVERYTHING), approved=before)
    assert statuses(result) == dict.fromkeys(ALL_RULES, "passed")
    assert result.findings == []


def blocked(organization: Organization, answer: Json) -> Json:
    strange = elsewhere(organization, member(email="ann@evil.test")(organization, answer))
    return strange | {"accessType": "BLOCK_MEMBERS"}


def test_what_is_in_order_is_not_found(audit: Audit) -> None:
    changes: list[Change] = [
        setting(connectionType="TWO_WAY", accessType="BLOCK_MEMBERS", members=[], allowAutoAnswer=False),
        setting(members=[], allowAutoAnswer=False),
        member(numbers=[{"extension": "0001", "primary": True}]),
        member(numbers=[{"external": "+14085260001"}, {"external": "+1"}]),
        member(email="ann@EXAMPLE.com"),
        lambda organization, answer: member(location=organization.locations[0]["name"])(organization, answer),
        # Rules on location and domain ignore members who are blocked.
        blocked,
    ]
    without_number = setting(officeNumber=NUMBER | {"number": ""}, mobileNumber=None)
    snapshot = audit(Simulation(crafted(*changes, audio=[without_number])), **EVERYTHING)
    assert checked(snapshot).findings == []


def test_a_room_that_could_not_be_read_is_found(audit: Audit) -> None:
    organization = crafted()
    room = organization.workspace(0)
    snapshot = audit(Simulation(organization, Where("mistyped", f"{room['id']}/pushToTalk")))
    (finding,) = checked(snapshot).findings
    assert (finding.rule_id, finding.entity_id, finding.entity_name) == ("entity-not-read", room["id"], "Room 0")
    assert finding.detail.startswith("push_to_talk could not be read: invalid_response (")


def test_an_organization_that_was_refused_and_a_kind_that_was_not_listed_are_found(audit: Audit) -> None:
    other = dataclasses.replace(crafted(), seed=2)
    simulation = Simulation(crafted(), customers=(other,), refused_organizations=frozenset({other.org_id}))
    result = checked(audit(simulation, scope__all_orgs=True))
    (finding,) = result_of(result, "organization-not-read").findings
    assert "is refused: " in finding.detail
    tokens = {ADMIN_TOKEN: ADMIN_SCOPES - {"spark-admin:people_read"}}
    snapshot = audit(Simulation(crafted(), tokens=tokens), scope__entities=["workspace", "person"])
    result = checked(snapshot)
    (finding,) = result_of(result, "organization-not-read").findings
    assert finding.entity_type == "PERSON"
    assert finding.detail.startswith("push_to_talk of PERSON was not read: the token may not read /people")
    assert result_of(result, "member-no-longer-exists").status == "skipped"


def test_coverage_that_fell_is_found(audit: Audit) -> None:
    audit(Simulation(crafted()))
    fewer = audit(Simulation(crafted(), Where("400", f"{crafted().workspace(0)['id']}/pushToTalk")))
    (finding,) = result_of(checked(fewer), "coverage-fell").findings
    assert (finding.org_id, finding.entity_type) == (fewer.manifest.orgs[0].org_id, "WORKSPACE")
    told = "push_to_talk of WORKSPACE: 3 listed, 2 answered, 2 with settings; before: 3, 3 and 3"
    assert finding.detail == told
    assert finding.severity is Severity.HIGH
    whole = audit(Simulation(crafted()))
    assert result_of(checked(whole), "coverage-fell").status == "passed"
    shrunk = audit(Simulation(crafted(workspaces=2)))
    assert "2 listed, 2 answered" in result_of(checked(shrunk), "coverage-fell").findings[0].detail


def test_a_single_room_less_of_many_is_no_fall(audit: Audit) -> None:
    audit(Simulation(crafted(workspaces=11)))
    assert result_of(checked(audit(Simulation(crafted(workspaces=10)))), "coverage-fell").status == "passed"


def test_a_kind_that_is_no_longer_listed_is_a_fall(audit: Audit) -> None:
    scope = {"scope__entities": ["workspace", "person"]}
    audit(Simulation(crafted()), **scope)
    tokens = {ADMIN_TOKEN: ADMIN_SCOPES - {"spark-admin:people_read"}}
    (finding,) = result_of(checked(audit(Simulation(crafted(), tokens=tokens), **scope)), "coverage-fell").findings
    assert finding.detail.startswith("push_to_talk of PERSON: 0 listed, 0 answered, 0 with settings; before: 8, 8 and ")


def first(count: int) -> Change:
    return lambda _, answer: answer | {"members": answer["members"][:count]}


def test_a_third_of_the_members_gone_is_found(audit: Audit) -> None:
    audit(Simulation(crafted(workspaces=5)))
    snapshot = audit(Simulation(crafted(first(4), first(3), first(2), first(0), workspaces=5)))
    result = result_of(checked(snapshot), "members-gone")
    assert {(finding.entity_name, finding.detail) for finding in result.findings} == {
        ("Room 2", "2 of 4 members are gone"),
        ("Room 3", "4 of 4 members are gone"),
    }


def test_a_member_that_is_gone_is_counted_with_the_right_noun(audit: Audit) -> None:
    audit(Simulation(crafted(first(1), first(3))))
    result = result_of(checked(audit(Simulation(crafted(first(0), first(2))))), "members-gone")
    assert {finding.detail for finding in result.findings} == {"1 of 1 member is gone", "1 of 3 members is gone"}


def test_a_room_that_was_not_read_has_lost_nobody(audit: Audit) -> None:
    audit(Simulation(crafted()))
    snapshot = audit(Simulation(crafted(), Where("400", f"{crafted().workspace(0)['id']}/pushToTalk")))
    assert result_of(checked(snapshot), "members-gone").status == "passed"


def test_what_can_not_run_is_skipped_with_the_reason(audit: Audit) -> None:
    result = checked(audit(Simulation(crafted())), CheckSettings())
    skipped = {each.rule.rule_id: each.reason for each in result.results if each.status == "skipped"}
    assert skipped == {
        "answers-calls-by-itself": "needs --dataset answer-settings",
        "answering-room-without-device": "needs --dataset answer-settings",
        "open-microphone": "needs --dataset answer-settings",
        "anyone-pages-many": "needs --dataset paging-groups",
        "audio-pin-unset": "needs --dataset audio-options",
        "audio-pin-weak": "needs --dataset audio-options",
        "call-in-without-pin": "needs --dataset audio-options",
        "toll-free-enabled": "needs --dataset audio-options",
        "global-call-in-enabled": "needs --dataset audio-options",
        "member-of-another-domain": "check.allowed_domains is not set",
        "member-no-longer-exists": "people were not in scope, or could not be listed",
        "coverage-fell": "there is no earlier snapshot of the same scope to compare with",
        "members-gone": "there is no earlier snapshot of the same scope to compare with",
        "differs-from-approved": "no snapshot of this scope is approved: 'webex-audit approve' approves one",
        "narrower-than-approved": "no snapshot of this scope is approved: 'webex-audit approve' approves one",
    }
    of_users = audit(Simulation(crafted()), scope__datasets=["audio-options"], scope__all_users=True)
    reasons = {each.rule.rule_id: each.reason for each in checked(of_users, CheckSettings()).results}
    assert reasons["toll-free-enabled"] == "check.forbid_toll_free is not set"
    assert reasons["two-way-auto-answer"] == "needs --dataset push-to-talk"


def test_a_dataset_without_rows_is_not_called_unasked(audit: Audit) -> None:
    missing = missing_tables(audit(Simulation(crafted())).manifest, [])
    assert missing["push_to_talk"] == "the snapshot has no rows of push_to_talk"
    assert missing["audio_options"] == "needs --dataset audio-options"


def test_people_of_the_audio_options_alone_are_not_all_people(audit: Audit) -> None:
    scope = EVERYTHING | {"scope__entities": ["workspace"]}
    alone = audit(Simulation(crafted()), **scope | {"scope__all_users": False})
    assert "PERSON" not in alone.manifest.scope.entities
    assert statuses(checked(alone))["member-no-longer-exists"] == "skipped"
    assert statuses(checked(audit(Simulation(crafted()), **scope)))["member-no-longer-exists"] == "passed"


def test_where_people_of_one_organization_only_were_listed_nobody_passes(audit: Audit) -> None:
    gone = crafted(member(id="Y2lzY29zcGFyazovL3VzL1BFT1BMRS9nb25l"))
    other = dataclasses.replace(crafted(), seed=2)
    scope: dict[str, Any] = {"scope__all_orgs": True, "scope__entities": ["workspace", "person"]}
    refused = frozenset({other.org_id})
    found = result_of(
        checked(audit(Simulation(gone, customers=(other,), refused_organizations=refused), **scope)),
        "member-no-longer-exists",
    )
    clean = result_of(
        checked(audit(Simulation(crafted(), customers=(other,), refused_organizations=refused), **scope)),
        "member-no-longer-exists",
    )
    reason = "people of 1 of 2 organizations were not in scope, or could not be listed"
    assert (found.status, len(found.findings), (found.reason or "").endswith(reason)) == ("failed", 1, True)
    assert (clean.status, (clean.reason or "").endswith(reason)) == ("skipped", True)


@pytest.mark.slow
def test_only_a_snapshot_of_the_same_scope_is_compared_with(audit: Audit) -> None:
    first = audit(Simulation(crafted()))
    other = audit(Simulation(crafted()), scope__entities=["workspace", "person"])
    csv_only = audit(Simulation(crafted()), output__formats=["csv"])
    latest = audit(Simulation(crafted()))
    assert checked(other).previous_id is None
    assert checked(latest).previous_id == first.manifest.snapshot_id
    result = check(latest, other, POLICY, today=TODAY)
    reason = f"snapshot {other.manifest.snapshot_id} has another scope (entities)"
    assert result_of(result, "coverage-fell").reason == result_of(result, "members-gone").reason == reason
    assert result.previous_id is None
    with pytest.raises(UsageError, match="holds no Parquet of table"):
        check(latest, csv_only, POLICY, today=TODAY)


@pytest.mark.attack("SQL")
def test_hostile_names_are_data(audit: Audit) -> None:
    simulation = Simulation(Organization(60, people=30))
    snapshot = audit(simulation, **EVERYTHING)
    result = checked(snapshot)
    names = {each.entity_name for each in result.findings}
    assert names & {"'; DROP TABLE rooms; --", "\u001b[31mRed Room", "Line\nbreak; Room"}
    assert checked(snapshot) == result
    ranks = [finding.severity.rank for finding in result.findings]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) > 2
