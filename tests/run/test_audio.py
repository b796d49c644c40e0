"""Audio options of users: right user, right site, and no PIN in any file."""

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from aiohttp import web
from harness import Result, Where, visible

from audit.crawl import flatten as flatten_module
from audit.datasets.audio_options import pin_status
from audit.errors import RefusedError, StoppedError, UsageError
from audit.inventory import Users
from audit.output import inventory as inventory_file
from audit.simulator import answers
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.simulator.simulation import ADMIN_SCOPES, USER_TOKEN
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
Api = Callable[[Simulation], str]
Command = Callable[..., Result]
AUDIO: dict[str, Any] = {"scope__datasets": ["audio-options"]}
ALL: dict[str, Any] = AUDIO | {"scope__all_users": True}
ORGANIZATION = Organization(5, people=90)
DEFAULT, TRAINING, LEGACY = ORGANIZATION.site_urls
ADMIN_SCOPE = "meeting:admin_preferences_read"


def email(index: int) -> str:
    return str(ORGANIZATION.person(index)["emails"][0])


def named(*emails: str) -> dict[str, Any]:
    return AUDIO | {"users": Users("named", emails)}


def rows(snapshot: Snapshot, table: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = ds.dataset(snapshot.path / table, partitioning="hive").to_table().to_pylist()
    return read


def users_on(*site_urls: str) -> list[int]:
    """Humans whose sites are exactly these."""
    return [
        index
        for index in range(90)
        if ORGANIZATION.person(index)["type"] == "person"
        and [site["siteUrl"] for site in ORGANIZATION.sites(index)] == list(site_urls)
    ]


def test_the_tokens_own_user_is_audited_by_default_on_each_site(audit: Audit) -> None:
    simulation = Simulation(ORGANIZATION)
    snapshot = audit(simulation, token=USER_TOKEN, **AUDIO)
    me = ORGANIZATION.person(0)
    assert [(row["entity_id"], row["site_url"], row["outcome"]) for row in rows(snapshot, "coverage")] == [
        (me["id"], TRAINING, "ok"),
        (me["id"], DEFAULT, "ok"),
    ]
    for row in rows(snapshot, "audio_options"):
        expected = ORGANIZATION.audio(0, row["site_url"])
        assert row["email"] == me["emails"][0]
        assert row["default_audio_type"] == expected["defaultAudioType"]
        assert row["audio_pin_status"] == pin_status(expected.get("audioPin"))
        assert row["mobile_number"] == expected["mobileNumber"]["number"]
        assert row["office_call_me"] == expected["officeNumber"]["enabledCallMe"]
    assert not [line for line in simulation.log if "userEmail" in line]
    assert (snapshot.manifest.scope.users, snapshot.manifest.scope.entities) == ("self", ["PERSON"])


def test_all_people_are_audited_on_all_their_sites(audit: Audit) -> None:
    snapshot = audit(Simulation(ORGANIZATION, parse("quirks"), max_page=25), **ALL)
    assert snapshot.manifest.status == "complete"
    found = {(row["entity_id"], row["site_url"]): row for row in rows(snapshot, "audio_options")}
    expected = {
        (ORGANIZATION.person(index)["id"], site["siteUrl"]): ORGANIZATION.audio(index, site["siteUrl"])
        for index in range(90)
        for site in ORGANIZATION.sites(index)
    }
    assert found.keys() == expected.keys()
    assert len(users_on(LEGACY)) > 0
    for key, row in found.items():
        assert row["default_audio_type"] == expected[key]["defaultAudioType"]
        assert row["other_teleconference_description"] == expected[key]["otherTeleconferenceDescription"]
        assert row["audio_pin_status"] == pin_status(expected[key].get("audioPin"))
    statuses = Counter(row["audio_pin_status"] for row in found.values())
    assert statuses["ok"] > statuses["unset"] > 0
    bots = [row for row in rows(snapshot, "coverage") if not row["attempts"]]
    assert {(row["outcome"], row["site_url"]) for row in bots} == {("not_licensed", None)}
    assert len({row["entity_id"] for row in rows(snapshot, "coverage")}) == 90


def test_named_users_have_the_same_rows_as_among_all(audit: Audit) -> None:
    everybody = audit(Simulation(ORGANIZATION), **ALL)
    few = audit(Simulation(ORGANIZATION), **named(email(3).upper(), email(7), email(3)))
    ids = {ORGANIZATION.person(index)["id"] for index in (3, 7)}
    assert rows(few, "audio_options") == [row for row in rows(everybody, "audio_options") if row["entity_id"] in ids]
    assert (few.manifest.scope.users, few.manifest.scope.user_count) == ("named", 3)


def test_many_named_users_are_found_in_the_directory(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one = audit(Simulation(ORGANIZATION), **named(*map(email, range(10)), "nobody@example.com"))
    monkeypatch.setattr("audit.inventory.users.MAX_LOOKUPS", 3)
    simulation = Simulation(ORGANIZATION, max_page=30)
    from_directory = audit(simulation, **named(*map(email, range(10)), "nobody@example.com"))
    assert rows(from_directory, "audio_options") == rows(one_by_one, "audio_options")
    assert not [line for line in simulation.log if "?email=" in line]


def test_who_is_nobody_or_on_another_site_is_not_found_and_says_why(audit: Audit) -> None:
    (elsewhere, *_) = users_on(LEGACY)
    (ordinary, *_) = users_on(DEFAULT)

    class Silent(Organization):
        def person(self, index: int, *, calling_data: bool = False) -> Any:
            return super().person(index, calling_data=calling_data) | {"siteUrls": []}

    simulation = Simulation(Silent(5, people=90))
    snapshot = audit(simulation, **named("nobody@example.com", email(elsewhere), email(ordinary)))
    assert snapshot.manifest.status == "complete"
    found = {row["entity_id"]: row for row in rows(snapshot, "coverage")}
    assert found["nobody@example.com"]["outcome"] == "not_found"
    row = found[ORGANIZATION.person(elsewhere)["id"]]
    assert (row["outcome"], row["site_url"]) == ("not_found", None)
    assert row["error_message"].endswith("--site asks another meeting site")
    assert found[ORGANIZATION.person(ordinary)["id"]]["outcome"] == "ok"


def test_a_chosen_site_is_the_only_one_asked(audit: Audit) -> None:
    (both, *_), (ordinary, *_) = users_on(DEFAULT, TRAINING), users_on(DEFAULT)
    simulation = Simulation(ORGANIZATION)
    snapshot = audit(simulation, scope__sites=[f"https://{TRAINING.upper()}/"], **named(email(both), email(ordinary)))
    found = {row["entity_id"]: row for row in rows(snapshot, "coverage")}
    assert found[ORGANIZATION.person(both)["id"]]["outcome"] == "ok"
    assert found[ORGANIZATION.person(ordinary)["id"]]["outcome"] == "not_found"
    assert {row["site_url"] for row in found.values()} == {TRAINING}
    assert [row["site_url"] for row in rows(snapshot, "audio_options")] == [TRAINING]
    assert snapshot.manifest.scope.sites == [TRAINING]


@pytest.mark.slow
def test_users_on_a_dead_site_leave_the_others_unharmed(audit: Audit) -> None:
    dead = Simulation(ORGANIZATION, dead_sites=frozenset({TRAINING}))
    snapshot = audit(dead, retry__attempts=2, **ALL)
    assert snapshot.manifest.status == "partial"
    alive = [
        row for row in rows(audit(Simulation(ORGANIZATION), **ALL), "audio_options") if row["site_url"] != TRAINING
    ]
    assert rows(snapshot, "audio_options") == alive
    struck = [row for row in rows(snapshot, "coverage") if row["outcome"] == "server_error"]
    assert {row["site_url"] for row in struck} == {TRAINING}
    again = Simulation(ORGANIZATION)
    whole = audit(again, retry_failed=snapshot)
    assert whole.manifest.status == "complete"
    assert len([line for line in again.log if "/audio" in line]) < 60
    complete = audit(Simulation(ORGANIZATION), **ALL)
    assert [each.digest for each in whole.manifest.tables.values()] == [
        each.digest for each in complete.manifest.tables.values()
    ]


def test_one_persons_options_are_not_written_under_anothers_name(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=f"the caller's own audio_options .* needs the scope {ADMIN_SCOPE}"):
        audit(Simulation(ORGANIZATION), token=USER_TOKEN, **named(email(3)))
    scopes = {ADMIN_TOKEN: ADMIN_SCOPES - {ADMIN_SCOPE}}
    with pytest.raises(RefusedError, match="nothing was written under another's name"):
        audit(Simulation(ORGANIZATION, tokens=scopes), **ALL)
    assert visible(tmp_path / "out") == []


def test_the_caller_needs_no_admin_scope_to_be_named(audit: Audit) -> None:
    simulation = Simulation(ORGANIZATION)
    snapshot = audit(simulation, token=USER_TOKEN, **named(email(0)))
    assert rows(snapshot, "audio_options") == rows(audit(Simulation(ORGANIZATION), **AUDIO), "audio_options")


class Mirror(Organization):
    """It knows its users, and still answers for each of them with the caller's own."""

    def sites(self, index: int) -> Any:
        return super().sites(0)

    def audio(self, index: int, site_url: str) -> Any:
        return super().audio(0, site_url) | {"audioPin": "8642"}


@pytest.mark.parametrize("options", [ALL, named(email(3)), named(email(3), email(4))])
def test_answers_that_are_all_the_callers_own_are_refused(
    options: dict[str, Any], audit: Audit, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match="returns the caller's own"):
        audit(Simulation(Mirror(5, people=90)), **options)
    assert visible(tmp_path / "out") == []


def test_a_token_that_loses_its_scope_amid_the_run_is_noticed(audit: Audit, tmp_path: Path) -> None:
    class Losing(Organization):
        def audio(self, index: int, site_url: str) -> Any:
            if index > 40:
                simulation.tokens[ADMIN_TOKEN] = ADMIN_SCOPES - {ADMIN_SCOPE}
            return super().audio(index, site_url)

    simulation = Simulation(Losing(5, people=90))
    with pytest.raises(RefusedError, match="returns the caller's own"):
        audit(simulation, **ALL)
    assert visible(tmp_path / "out") == []


def test_users_with_equal_defaults_are_not_taken_for_the_caller(audit: Audit) -> None:
    class Provisioned(Organization):
        def audio(self, index: int, site_url: str) -> Any:
            number = {"countryCode": "1", "number": "", "enabledCallMe": False}
            told = {"otherTeleconferenceDescription": "Acme bridge +1-800-555-0000", "officeNumber": number}
            return {"defaultAudioType": "webexAudio", "mobileNumber": number, **told}

    for options in (ALL, named(email(3))):
        assert audit(Simulation(Provisioned(5, people=30)), **options).manifest.status == "complete"


class SomebodyElses(Organization):
    """Whoever asks, is person 1."""

    def person(self, index: int, *, calling_data: bool = False) -> Any:
        return super().person(index or 1, calling_data=calling_data)


@pytest.mark.attack("what is read back")
def test_a_run_is_not_resumed_with_the_token_of_another_user(audit: Audit) -> None:
    dying = parse(",".join(f"reset@{number}" for number in range(5, 90)))
    with pytest.raises(StoppedError):
        audit(Simulation(ORGANIZATION, dying), token=USER_TOKEN, retry__budget=0, **AUDIO)
    theirs = Simulation(SomebodyElses(5, people=90))
    with pytest.raises(UsageError, match=r"a user other than .* began this run"):
        audit(theirs, token=USER_TOKEN, is_resuming=True, **AUDIO)
    assert audit(Simulation(ORGANIZATION), token=USER_TOKEN, is_resuming=True, **AUDIO).manifest.status == "complete"


@pytest.mark.parametrize("pin", ["1e999", "[1]", '{"a": 1}', "12345678901234567890123", "true"])
def test_a_pin_of_any_form_ends_no_run(pin: str, audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f'{{"defaultAudioType": "none", "audioPin": {pin}}}'
    answer = partial(web.Response, text=body, content_type="application/json")
    monkeypatch.setitem(answers.FAULTY_ANSWERS, "pin", answer)
    faults = Where("pin", email(4).lower().replace("@", "%40") + "&siteUrl")
    snapshot = audit(Simulation(ORGANIZATION, faults), **named(email(3), email(4)))
    statuses = {row["entity_id"]: row["audio_pin_status"] for row in rows(snapshot, "audio_options")}
    assert statuses[ORGANIZATION.person(4)["id"]] == "malformed"


def test_sites_are_the_same_however_they_are_written(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"sites": [{"siteUrl": f"HTTPS://{DEFAULT.title()}/meet"}, {"siteUrl": DEFAULT}]}
    monkeypatch.setitem(answers.FAULTY_ANSWERS, "sites", lambda: web.json_response(body))
    simulation = Simulation(ORGANIZATION, Where("sites", "/sites"))
    snapshot = audit(simulation, scope__sites=[f"http://{DEFAULT}/x"], **named(email(3)))
    assert [row["site_url"] for row in rows(snapshot, "audio_options")] == [DEFAULT]
    with pytest.raises(UsageError, match="--site: 'nowhere' is not a meeting site"):
        audit(simulation, scope__sites=["nowhere"], **AUDIO)


def test_a_site_that_nobody_is_on_is_told(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    audit(Simulation(ORGANIZATION), scope__sites=["typo.webex.com"], **named(email(3)))
    assert "--site typo.webex.com: no user is on this meeting site" in caplog.text


@pytest.mark.slow
def test_a_retry_lists_the_people_that_could_not_be_listed(audit: Audit) -> None:
    both = {"scope__datasets": ["push-to-talk", "audio-options"], "scope__all_users": True}
    tokens = {ADMIN_TOKEN: ADMIN_SCOPES - {"spark-admin:people_read"}}
    partial_snapshot = audit(Simulation(ORGANIZATION, tokens=tokens), **both)
    assert partial_snapshot.manifest.orgs[0].unlisted.keys() == {"audio_options"}
    again = audit(Simulation(ORGANIZATION), retry_failed=partial_snapshot)
    assert rows(again, "audio_options") == rows(audit(Simulation(ORGANIZATION), **both), "audio_options")


def test_one_odd_address_costs_no_other_user_its_name(audit: Audit) -> None:
    for kind in ("400", "403", "500"):
        simulation = Simulation(ORGANIZATION, Where(kind, "email=" + email(4).replace("@", "%40")))
        snapshot = audit(simulation, retry__attempts=1, **named(email(3), email(4)))
        assert {row["entity_id"] for row in rows(snapshot, "coverage")} == {
            ORGANIZATION.person(3)["id"],
            email(4),
        }


def test_own_data_refuse_one_dataset_and_leave_the_other(audit: Audit) -> None:
    both = {"scope__datasets": ["push-to-talk", "audio-options"], "scope__all_users": True}
    snapshot = audit(Simulation(Mirror(5, people=90)), **both)
    assert snapshot.manifest.status == "partial"
    counts = snapshot.manifest.outcomes
    assert set(counts["push_to_talk"]) <= {"ok", "not_licensed"}
    assert set(counts["audio_options"]) == {"forbidden", "not_licensed"}
    assert rows(snapshot, "audio_options") == []


def test_users_of_two_sites_are_forbidden_once_where_all_are_refused(audit: Audit) -> None:
    both = {"scope__datasets": ["push-to-talk", "audio-options"], "scope__all_users": True}
    refused = Where("403", "/meetingPreferences/audio?userEmail=user")
    snapshot = audit(Simulation(ORGANIZATION, refused), pace__concurrency=1, **both)
    assert snapshot.manifest.status == "partial"
    assert set(snapshot.manifest.outcomes["audio_options"]) == {"forbidden", "not_licensed"}
    found = Counter(row["entity_id"] for row in rows(snapshot, "coverage") if row["dataset"] == "audio_options")
    assert (len(found), set(found.values())) == (90, {1})


def test_a_token_without_any_meeting_scope_is_refused(audit: Audit) -> None:
    scopes = {ADMIN_TOKEN: ADMIN_SCOPES - {ADMIN_SCOPE, "meeting:preferences_read"}}
    with pytest.raises(RefusedError, match=r"may not read audio_options of any person \(403"):
        audit(Simulation(ORGANIZATION, tokens=scopes), **ALL)
    with pytest.raises(RefusedError, match=r"it needs the scope spark-admin:workspaces_read \(or spark:people_read\)"):
        audit(Simulation(ORGANIZATION, tokens={ADMIN_TOKEN: frozenset({ADMIN_SCOPE})}), **AUDIO)


def test_another_organization_can_not_be_read(audit: Audit) -> None:
    customer = Organization(3, seed=2)
    simulation = Simulation(ORGANIZATION, customers=(customer,))
    with pytest.raises(UsageError, match="the API takes no orgId there, and this token is of organization"):
        audit(simulation, scope__org_ids=[customer.org_id], **AUDIO)
    for options in ({"scope__all_orgs": True}, {"scope__org_ids": [customer.org_id, ORGANIZATION.org_id]}):
        with pytest.raises(UsageError, match="audio-options can be read in the token's own organization only"):
            audit(simulation, **AUDIO, **options)
    assert not [line for line in simulation.log if "meetingPreferences" in line]
    assert audit(simulation, scope__org_ids=[ORGANIZATION.org_id], **AUDIO).manifest.status == "complete"


def test_a_directory_that_can_not_be_read_leaves_mail_addresses(audit: Audit) -> None:
    scopes = {ADMIN_TOKEN: ADMIN_SCOPES - {"spark-admin:people_read", "spark:people_read"}}
    snapshot = audit(Simulation(ORGANIZATION, tokens=scopes), **named(email(3)))
    assert {row["entity_id"] for row in rows(snapshot, "audio_options")} == {email(3)}


def test_odd_people_of_a_directory_are_survived(audit: Audit) -> None:
    class Odd(Organization):
        def person(self, index: int, *, calling_data: bool = False) -> Any:
            changes: list[Any] = [{}, {"emails": None}, {"emails": []}, {"siteUrls": None}, {"siteUrls": [None, 5]}]
            return super().person(index) | (changes[index] if index < len(changes) else {})

    snapshot = audit(Simulation(Odd(5, people=12)), **ALL)
    found = {row["entity_id"]: row for row in rows(snapshot, "coverage")}
    for index in (1, 2):
        row = found[ORGANIZATION.person(index)["id"]]
        assert (row["outcome"], row["error_message"]) == (
            "invalid_response",
            "the directory has no email address of this user",
        )


@pytest.mark.parametrize(
    ("body", "outcome", "message"),
    [
        ({"sites": []}, "not_found", "the user has no meeting site"),
        ({}, "invalid_response", "sites: the answer is not a list of sites"),
        ({"sites": None}, "invalid_response", "sites: the answer is not a list of sites"),
        ({"sites": [{"default": True}]}, "invalid_response", "sites: the answer is not a list of sites"),
        ({"sites": [{"siteUrl": 7}]}, "invalid_response", "sites: the answer is not a list of sites"),
    ],
)
def test_odd_lists_of_sites_are_told(
    body: Any, outcome: str, message: str, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OfOne(Faults):
        def next(self, url: str) -> str | None:
            return "sites" if "/sites?" in url and email(4).lower() in unquote(url).lower() else None

    monkeypatch.setitem(answers.FAULTY_ANSWERS, "sites", lambda: web.json_response(body))
    snapshot = audit(Simulation(ORGANIZATION, OfOne()), **named(email(3), email(4)))
    found = {row["entity_id"]: row for row in rows(snapshot, "coverage")}
    row = found[ORGANIZATION.person(4)["id"]]
    assert (row["outcome"], row["error_message"], row["site_url"]) == (outcome, message, None)
    assert found[ORGANIZATION.person(3)["id"]]["outcome"] == "ok"


@pytest.mark.slow
def test_a_run_that_dies_is_continued(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 20)
    dying = parse(",".join(f"reset@{number}" for number in range(120, 400)))
    with pytest.raises(StoppedError):
        audit(Simulation(ORGANIZATION, dying), pace__concurrency=2, retry__budget=5, **ALL)
    resumed = audit(Simulation(ORGANIZATION), is_resuming=True, **ALL)
    whole = audit(Simulation(ORGANIZATION), **ALL)
    assert [each.digest for each in resumed.manifest.tables.values()] == [
        each.digest for each in whole.manifest.tables.values()
    ]


PIN = "8642"


class Marked(Organization):
    """Everybody has the same PIN, which is in no other answer."""

    def audio(self, index: int, site_url: str) -> Any:
        number = {"countryCode": "1", "number": f"555{index:03d}", "enabledCallMe": True}
        return super().audio(index, site_url) | {"audioPin": PIN, "officeNumber": number, "mobileNumber": number}


class OfMeetings(Faults):
    """Faults of meeting preferences only."""

    def next(self, url: str) -> str | None:
        return super().next(url) if "meetingPreferences" in url else None


def _quoting(status: int, text: str) -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, text=text, content_type="application/json")


QUOTING = {
    "500": _quoting(500, json.dumps({"message": f'upstream said {{"audioPin": "{PIN}"}}', "trackingId": "T"})),
    "409": _quoting(409, json.dumps({"message": f"PIN {PIN} is taken", "errors": [{"description": f"pin={PIN}"}]})),
    "malformed": _quoting(200, f'{{"audioPin": "{PIN}", tru'),
    "array": _quoting(200, f'[{{"audioPin": "{PIN}"}}]'),
    "mistyped": _quoting(200, f'{{"audioPin": ["{PIN}"], "defaultAudioType": {{"audioPin": "{PIN}"}}}}'),
    "html": _quoting(200, f"<html>{PIN}</html>"),
}


def everything_in(folder: Path) -> str:
    """All bytes below a folder, and what is inside of compressed files."""
    texts = []
    for path in folder.rglob("*"):
        if path.is_file():
            texts += [str(path), path.read_bytes().decode("latin-1")]
            if path.suffix == ".parquet":
                texts.append(str(pq.read_table(path).to_pylist()))
            elif path.suffix == ".arrow":
                # Without the keyed digest at its end.
                with pa.ipc.open_file(path.read_bytes()[:-32]) as reader:
                    texts += [str(reader.read_all().to_pylist()), str(reader.schema.metadata)]
    return "\n".join(texts)


@pytest.mark.few(3)
@pytest.mark.attack("redaction")
@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ("", 0),
        (",".join(f"{kind}=0.1!" for kind in QUOTING), 3),
        (",".join(f"500@{number}" for number in range(150, 900)), 5),
        ("500=1!", 5),
        ("409=1!", 3),
        ("crash", 70),
    ],
)
def test_no_pin_is_left_anywhere(
    faults: str, code: int, api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, answer in QUOTING.items():
        monkeypatch.setitem(answers.FAULTY_ANSWERS, kind, answer)
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 10)
    if faults == "crash":
        monkeypatch.setattr(flatten_module, "read_answers", lambda bodies, *_: {}[tuple(bodies)])
    for name, value in {"PACE_START_RATE": "5000", "RETRY_ATTEMPTS": "2", "RUN_STALL_S": "1"}.items():
        monkeypatch.setenv(f"WEBEX_AUDIT_{name}", value)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    given = parse(faults.replace("crash", ""))
    simulation = Simulation(Marked(5, people=200), OfMeetings(given.seed, given.shares, given.lasting, given.plan))
    arguments = ["--dataset", "audio-options", "--all-users", "--verbose", "--log-format", "json"]
    result = webex_audit("run", "--base-url", api(simulation), "--metrics-file", "m.prom", *arguments)
    assert result.code == code
    left = everything_in(tmp_path) + result.out + result.err
    assert ADMIN_TOKEN not in left
    # Search for the PIN as a separate number: times and digests may contain its digits by chance.
    assert not re.search(rf"(?<![0-9a-f.]){PIN}(?![0-9a-f])", left)
    assert len(left) > 1000
    assert bool(list(tmp_path.rglob("*.coverage.arrow"))) == ("@" in faults)


def test_the_command_reads_users_from_a_file(
    api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    (tmp_path / "users").write_text(f"# users\n{email(3)}\n\n{email(4)}\n")
    url = api(Simulation(ORGANIZATION))
    base = ["run", "--base-url", url, "--dataset", "audio-options"]
    result = webex_audit(*base, "--users-from", "users", "--user", email(5), "--json")
    assert (result.code, json.loads(result.out)["scope"]["user_count"]) == (0, 3)
    plan = json.loads(webex_audit(*base, "--all-users", "--dry-run", "--json").out)
    assert (plan["entities"], plan["scopes"]) == (90, [ADMIN_SCOPE, "spark-admin:people_read", "spark:people_read"])
    assert 170 < plan["requests"] <= 180
    own = json.loads(webex_audit(*base, "--dry-run", "--json").out)
    assert (own["entities"], own["scopes"]) == (1, ["meeting:preferences_read", "spark:people_read"])
    for arguments, complaint in (
        (["run", "--user", "a@b.c"], "add --dataset audio-options"),
        ([*base, "--user", "a@b.c", "--all-users"], "leave out --user"),
        ([*base, "--user", "alice"], "--user: 'alice' is not an email address"),
        ([*base, "--users-from", "absent"], "absent: No such file"),
        (["run", "--users-from", "-", "--ids-from", "-"], "can't both read standard input"),
        (["run", "--dataset", "audio"], "--dataset: 'audio' is none of "),
    ):
        refused = webex_audit(*arguments)
        assert (refused.code, complaint in refused.err) == (2, True), refused.err


@pytest.mark.parametrize(
    ("token", "arguments", "code", "status"),
    [
        (USER_TOKEN, [], 0, "ok"),
        (ADMIN_TOKEN, ["--all-users"], 0, "ok"),
        (USER_TOKEN, ["--all-users"], 4, "failed"),
    ],
)
def test_the_doctor_tells_whose_options_can_be_read(
    token: str, arguments: list[str], code: int, status: str, api: Api, webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", token)
    url = api(Simulation(ORGANIZATION))
    result = webex_audit("doctor", "--base-url", url, "--dataset", "audio-options", *arguments, "--json")
    (check,) = [each for each in json.loads(result.out) if each["name"] == "audio-options"]
    assert (result.code, check["status"]) == (code, status), check
