"""What opens in a way other than by Push-to-Talk is a change for the worse, too: the first screen says so."""

from typing import Any

import pytest
from crafted import TickingClock
from harness import Where
from reporting import Audit, a_change, text_of
from ways import ANSWERS, audited, organization, party, target

from audit.review.diff.compare import compare
from audit.review.report import write_report
from audit.review.report.changed import Now, Weight, weigh
from audit.simulator.app import Simulation
from audit.simulator.organization import Json, Organization

ON = {"allowAutoAnswer": True}
ANN, BO = party("Ann"), party("Bo")
_ANSWERS = {"table": "answer_settings", "column": "auto_answer_enabled"}
_MEMBER = {"table": "paging_group_members", "kind": "added", "key": "m"}
_GROUP, _SHUT = Now("members", "ONE_WAY"), Now("off", "ONE_WAY")


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


def group(originators: list[Json], targets: list[int], **fields: object) -> Json:
    return {"originators": originators, "targets": [target(organization(), each) for each in targets]} | fields


def paged(*groups: Json) -> Organization:
    return organization(groups=groups)


@pytest.mark.parametrize(
    ("given", "now", "weight"),
    [
        (_ANSWERS | {"old": "false", "new": "true"}, Now("off", "ONE_WAY", answers=True), Weight.LISTENED),
        (_ANSWERS | {"old": "false", "new": "true"}, None, Weight.LISTENED),
        (_ANSWERS | {"old": "true", "new": "false"}, None, Weight.SETTING),
        ({"table": "answer_settings", "column": "preferred_answer_endpoint_id", "new": "x"}, None, Weight.DETAIL),
        ({"table": "answer_settings", "kind": "added"}, Now("off", "ONE_WAY", answers=True), Weight.LISTENED),
        ({"table": "answer_settings", "kind": "added"}, Now("off", "ONE_WAY"), Weight.SETTING),
        ({"table": "coverage", "kind": "added"}, Now("none", "", answers=True), Weight.LISTENED),
        (_MEMBER | {"new": "TARGET"}, _GROUP, Weight.OPENED),
        (_MEMBER | {"new": "ORIGINATOR"}, _GROUP, Weight.MORE_CALL),
        (_MEMBER | {"new": "ORIGINATOR"}, _SHUT, Weight.SETTING),
        (_MEMBER | {"kind": "removed", "old": "TARGET"}, _GROUP, Weight.SETTING),
        ({"table": "paging_groups", "column": "enabled", "old": "false", "new": "true"}, _GROUP, Weight.OPENED),
        ({"table": "paging_groups", "column": "enabled", "old": "true", "new": "false"}, _SHUT, Weight.SETTING),
        ({"table": "coverage", "kind": "added"}, _GROUP, Weight.OPENED),
    ],
)
def test_a_change_of_another_way_weighs_what_it_opens(given: dict[str, Any], now: Now | None, weight: Weight) -> None:
    assert weigh(a_change(**given), now) is weight


CASES: dict[str, tuple[Organization, Organization, str, str]] = {
    "answers": (organization(ON), organization(ON, answers=[ANSWERS]), "Room 0 answers ordinary calls by itself now",
                "answers ordinary calls by itself: no → yes"),
    "a new target": (paged(group([ANN], [1])), paged(group([ANN], [0, 1])), "opens loudspeakers that it did not open",
                     "member of the paging group added: target another name"),
    "more callers": (paged(group([ANN], [1])), paged(group([ANN, BO], [1])), "more can open its loudspeakers",
                     "member of the paging group added: originator Bo"),
    "another caller": (paged(group([ANN], [1])), paged(group([BO], [1])), "more can open its loudspeakers",
                       "member of the paging group removed: originator Ann"),
    "the group is enabled": (paged(group([ANN], [1], enabled=False)), paged(group([ANN], [1])),
                             "opens loudspeakers that it did not open", "enabled: no → yes"),
    "the first who may call": (paged(group([], [1])), paged(group([ANN], [1])), "more can open its loudspeakers",
                               "member of the paging group added: originator Ann"),
    "a new group": (paged(), paged(group([ANN], [1])), "opens loudspeakers that it did not open", "now audited"),
}  # fmt: skip


@pytest.mark.few(3)
@pytest.mark.parametrize("case", CASES)
def test_the_first_screen_says_what_opens_in_another_way_now(audit: Audit, case: str) -> None:
    then, later, said, detail = CASES[case]
    old, new = audited(audit, then), audited(audit, later)
    html = write_report(new, None, [*compare(old, new)], old)
    glance = text_of(html.partition('id="glance"')[2].partition("</section>")[0])
    assert "Changed for the worse 1" in glance
    assert said in glance
    assert detail in text_of(html.partition('id="change-table"')[2].partition("</table>")[0])


@pytest.mark.few(2)
@pytest.mark.parametrize("case", ["answers", "a new target", "more callers", "the group is enabled"])
def test_what_opens_less_is_not_a_change_for_the_worse(audit: Audit, case: str) -> None:
    later, then, *_ = CASES[case]
    old, new = audited(audit, then), audited(audit, later)
    changes = [*compare(old, new)]
    assert changes
    glance = text_of(write_report(new, None, changes, old).partition('id="glance"')[2].partition("</section>")[0])
    assert "Changed for the worse 0" in glance


def test_a_group_that_was_not_read_has_neither_lost_nor_won_members(audit: Audit) -> None:

    of = paged(group([ANN], [1]), group([BO], [0]))
    fault = Where("500", of.paging.details(1)["id"])
    whole, part = audited(audit, of), audit(Simulation(of, fault), scope__datasets=["paging-groups"])
    for old, new in ((whole, part), (part, whole)):
        assert {each.kind for each in compare(old, new) if each.table.startswith("paging")} == {"unknown"}


SINCE: dict[str, tuple[Organization, Organization, str]] = {
    "answers now": (organization(ON), organization(ON, answers=[ANSWERS]), "changed after"),
    "answers no more": (organization(ON, answers=[ANSWERS]), organization(ON), "changed after"),
    "answers as before": (organization(ON, answers=[ANSWERS]), organization(ON, answers=[ANSWERS]), "or earlier"),
    "a new target": (paged(group([ANN], [1])), paged(group([ANN], [0, 1])), "changed after"),
    "another caller": (paged(group([ANN], [0])), paged(group([BO], [0])), "changed after"),
    "no target any more": (paged(group([ANN], [0, 1])), paged(group([ANN], [1])), "changed after"),
    "paged as before": (paged(group([ANN], [0])), paged(group([ANN], [0])), "or earlier"),
    "shut as before": (organization(), organization(), "or earlier"),
}


def _since(new: Any, old: Any) -> str:
    html = write_report(new, None, [], old)
    table = html.partition('id="room-table"')[2].partition("</table>")[0]
    (row,) = [each for each in table.split("<tr ") if "<bdi>Room 0</bdi>" in each]
    return text_of(row.partition('data-label="Since"')[2].partition("</td>")[0])


@pytest.mark.few(3)
@pytest.mark.parametrize("case", SINCE)
def test_since_is_about_every_way_into_a_room(audit: Audit, case: str) -> None:
    then, later, said = SINCE[case]
    old, new = audited(audit, then), audited(audit, later)
    assert said in _since(new, old)


def test_since_is_not_known_where_the_earlier_snapshot_did_not_read_a_way(audit: Audit) -> None:
    flags = {"scope__datasets": ["push-to-talk", "answer-settings"]}
    old = audit(Simulation(organization(ON), Where("500", "answerSettings")), **flags)
    opened = audited(audit, organization(ON, answers=[ANSWERS]), **flags)
    assert "unknown: not answered on" in _since(opened, old)
    alone = audited(audit, organization(answers=[ANSWERS]), scope__datasets=["answer-settings"])
    assert "or earlier" in _since(alone, opened)
