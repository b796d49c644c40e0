"""The approval judges answering ordinary calls, and paging, as it judges Push-to-Talk: one judgement for all views."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from crafted import POLICY, Audit, TickingClock, checked, result_of
from harness import Where
from reporting import rewrite
from ways import ANSWERS, audited, organization, party, rows_of, target

from audit.errors import UsageError
from audit.review.approval import add_approval, unjudged_words
from audit.review.diff.compare import compare
from audit.review.report import write_open_rooms, write_report
from audit.review.report.since import approval_words
from audit.review.tables import open_tables
from audit.review.ways import readable
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot, list_snapshots

ON = {"allowAutoAnswer": True}
ANN, BO = party("Ann"), party("Bo")


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


def group(originators: list[Json], targets: list[int], **fields: object) -> Json:
    return {"originators": originators, "targets": [target(organization(), each) for each in targets]} | fields


def paged(*groups: Json) -> Organization:
    return organization(groups=groups)


OPENED: dict[str, tuple[Organization, Organization, str]] = {
    "answers now": (organization(answers=[{}]), organization(answers=[ANSWERS]),
                    "answers ordinary calls by itself now, and was approved as not: whoever can dial it may"),
    "answers now, and Push-to-Talk was on": (organization(ON), organization(ON, answers=[ANSWERS]), "answers ordinary"),
    "a new target": (paged(group([ANN], [1])), paged(group([ANN, BO], [0, 1])), "is a target of paging now"),
    "a new group": (paged(), paged(group([ANN], [0])), "1 caller (Ann) may speak by Paging "),
    "a group that was disabled": (paged(group([ANN], [0], enabled=False)), paged(group([ANN], [0])), "is a target of"),
    "a group that nobody could call": (paged(group([], [0])), paged(group([BO], [0])), "1 caller (Bo) may speak"),
    "a caller more": (paged(group([ANN], [0])), paged(group([ANN, BO], [0])), "Bo may speak by paging; the approved"),
    "another caller": (paged(group([ANN], [0])), paged(group([BO], [0])), "Bo may speak by paging; the approved"),
    "a namesake": (paged(group([ANN], [0])), paged(group([ANN | {"id": "other"}], [0])), "Ann may speak by paging"),
    "a caller of a second group": (paged(group([ANN], [0])), paged(group([ANN], [0]), group([BO], [0])), "Bo may"),
}  # fmt: skip
CLOSED: dict[str, tuple[Organization, Organization, str]] = {
    "answers no more": (
        organization(answers=[ANSWERS]),
        organization(),
        "answers no ordinary calls by itself any more",
    ),
    "no target any more": (paged(group([ANN], [0, 1])), paged(group([ANN], [1])), "is not a target of paging any more"),
    "a disabled group": (paged(group([ANN], [0])), paged(group([ANN], [0], enabled=False)), "is not a target of"),
    "all groups gone": (paged(group([ANN], [0])), organization(), "is not a target of paging any more"),
    "a caller less": (paged(group([ANN, BO], [0])), paged(group([ANN], [0])), "Bo may not speak by paging any more"),
}
SAME: dict[str, tuple[Organization, Organization]] = {
    "as it was": (organization(ON, answers=[ANSWERS]), organization(ON, answers=[ANSWERS])),
    "another group for the same": (paged(group([ANN], [0])), paged(group([], []), group([ANN], [0]))),
    "a renamed caller": (paged(group([ANN], [0])), paged(group([ANN | {"firstName": "Anna"}], [0]))),
    "another order": (paged(group([ANN, BO], [0])), paged(group([BO, ANN], [0]))),
    "a new target that nobody may page": (paged(), paged(group([], [0]))),
}


def approval_of(now: Snapshot, approved: Snapshot, name: str = "Room 0") -> tuple[str, bool, str | None]:
    with open_tables(now, approved=approved) as connection:
        add_approval(connection, now.manifest, approved.manifest)
        rows = connection.execute(
            "SELECT state, is_open, detail FROM approval JOIN (SELECT DISTINCT org_id, entity_type, entity_id FROM "
            "way_approval WHERE entity_name = ?) USING (org_id, entity_type, entity_id)",
            [name],
        ).fetchall()
    ((state, is_open, detail),) = rows
    return state, is_open, detail


@pytest.mark.few(4)
@pytest.mark.parametrize("case", OPENED)
@pytest.mark.slow
def test_a_room_that_opens_in_a_new_way_differs_from_the_approval(audit: Audit, case: str) -> None:
    then, later, said = OPENED[case]
    approved, now = audited(audit, then), audited(audit, later)
    state, is_open, detail = approval_of(now, approved)
    assert (state, is_open) == ("differs", True)
    assert said in str(detail)
    assert "no" in {row["approved"] for row in rows_of(now, approved=approved) if row["entity_name"] == "Room 0"}
    found = result_of(checked(now, approved=approved), "differs-from-approved")
    assert said in next(each.detail for each in found.findings if each.entity_name == "Room 0")


@pytest.mark.few(2)
@pytest.mark.parametrize("case", CLOSED)
@pytest.mark.slow
def test_a_room_that_opens_in_fewer_ways_is_approved_and_narrower(audit: Audit, case: str) -> None:
    then, later, said = CLOSED[case]
    approved, now = audited(audit, then), audited(audit, later)
    state, is_open, detail = approval_of(now, approved)
    assert (state, is_open) == ("differs", False)
    assert said in str(detail)
    assert approval_words(state, detail, is_open=is_open).startswith("yes, narrower: ")
    views = {row["approved"] for row in rows_of(now, approved=approved) if row["entity_name"] == "Room 0"}
    assert views <= {"yes, narrower"}
    result = checked(now, approved=approved)
    assert result_of(result, "differs-from-approved").status == "passed"
    assert "Room 0" in {each.entity_name for each in result_of(result, "narrower-than-approved").findings}


@pytest.mark.few(2)
@pytest.mark.parametrize("case", SAME)
def test_what_only_looks_different_in_another_way_is_approved(audit: Audit, case: str) -> None:
    then, later = SAME[case]
    approved, now = audited(audit, then), audited(audit, later)
    assert approval_of(now, approved) == ("approved", False, None)
    assert {row["approved"] for row in rows_of(now, approved=approved)} <= {"yes"}


UNREAD: dict[str, Callable[[Organization], tuple[Simulation, dict[str, Any]]]] = {
    "not asked for": lambda of: (Simulation(of), {"scope__datasets": ["push-to-talk"]}),
    "not offered then": lambda of: (Simulation(of, parse("no-answers")), {}),
    "not answered then": lambda of: (Simulation(of, Where("500", "answerSettings")), {}),
}


@pytest.mark.parametrize("case", UNREAD)
@pytest.mark.slow
def test_what_the_approval_did_not_read_is_no_finding_and_not_silent(audit: Audit, case: str) -> None:
    datasets = {"scope__datasets": ["push-to-talk", "answer-settings"]}
    simulation, flags = UNREAD[case](organization(ON))
    approved = audit(simulation, **(datasets | flags))
    now = audit(Simulation(organization(ON, answers=[ANSWERS, ANSWERS])), **datasets)
    state, is_open, detail = approval_of(now, approved)
    assert (state, is_open) == ("unknown", False)
    assert str(detail).startswith("ordinary calls: the approved snapshot ")
    assert approval_of(now, approved, "Room 2")[0] == "approved", "it answers nobody"
    found = result_of(checked(now, approved=approved), "differs-from-approved")
    assert (found.status, found.findings) == ("skipped", [])
    assert "2 rooms answer ordinary calls by themselves, but the approved snapshot" in str(found.reason)


@pytest.mark.slow
def test_a_group_that_the_approval_could_not_read_may_have_named_the_caller(audit: Audit) -> None:
    groups = [group([ANN], [0]), group([BO], [0])]
    second = organization(groups=groups).paging.details(1)["id"]
    approved = audit(Simulation(paged(*groups), Where("500", second)), scope__datasets=["paging-groups"])
    now = audited(audit, paged(*groups), scope__datasets=["paging-groups"])
    with open_tables(now, approved=approved) as connection:
        add_approval(connection, now.manifest, approved.manifest)
        assert connection.execute("SELECT count(*) FROM drift").fetchone() == (0,)
        (said,) = unjudged_words(connection)
    assert said.startswith("1 target of paging opens, but the approved snapshot has no complete answer")


@pytest.mark.slow
def test_a_room_without_push_to_talk_in_the_audit_is_judged_too(audit: Audit) -> None:
    flags = {"scope__datasets": ["answer-settings"]}
    approved = audited(audit, organization(workspaces=2), **flags)
    now = audited(audit, organization(answers=[ANSWERS, {}, ANSWERS]), **flags)
    assert approval_of(now, approved)[:2] == ("differs", True)
    assert approval_of(now, approved, "Room 1") == ("approved", False, None)
    state, is_open, detail = approval_of(now, approved, "Room 2")
    assert (state, is_open) == ("added", True)
    assert "is new since the approval and answers ordinary calls by itself" in str(detail)
    assert result_of(checked(now, approved=approved), "differs-from-approved").status == "failed"
    users = audit(Simulation(organization()), scope__datasets=["audio-options"])
    found = result_of(checked(users, approved=users), "differs-from-approved")
    assert (found.status, str(found.reason)[:22]) == ("skipped", "needs --dataset push-t")


@pytest.mark.slow
def test_the_key_of_a_finding_changes_with_who_may_page_and_not_with_names(audit: Audit) -> None:
    def key(of: Organization) -> set[str | None]:
        found = result_of(checked(audited(audit, of), POLICY, approved=approved), "differs-from-approved")
        return {each.key for each in found.findings}

    approved = audited(audit, paged())
    one = key(paged(group([ANN], [0])))
    assert one == key(paged(group([ANN | {"firstName": "Anna"}], [0])))
    assert one != key(paged(group([ANN, BO], [0])))
    assert one != key(paged(group([BO], [0])))
    assert all(one)


@pytest.mark.attack("what is read back")
def test_a_room_of_another_organization_does_not_lend_its_approval(audit: Audit) -> None:
    """Two organizations with the same ids: what one has approved says nothing of the other."""
    of = organization(answers=[ANSWERS], groups=[group([ANN], [1])])
    approved, now = audited(audit, of), audited(audit, of)
    other = "99999999-9999-4999-8999-999999999999"
    with open_tables(now, approved=approved) as connection:
        for name in ("coverage", "answer_settings", "paging_groups", "paging_group_members"):
            columns = connection.execute(f"SELECT * FROM {name} LIMIT 0").description
            assert columns
            connection.execute(f"CREATE TABLE both_{name} AS FROM {name}")
            connection.execute(f"INSERT INTO both_{name} SELECT * REPLACE ('{other}' AS org_id) FROM {name}")
            connection.execute(f"CREATE OR REPLACE VIEW main.{name} AS FROM both_{name}")
        add_approval(connection, now.manifest, approved.manifest)
        found = connection.execute("SELECT DISTINCT org_id = ?, judgement FROM way_approval WHERE opens", [other])
        judged = set(found.fetchall())
    assert judged == {(False, "yes"), (True, "not known")}


@pytest.mark.few(2)
@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("table", ["answer_settings", "paging_groups", "paging_group_members", "push_to_talk"])
@pytest.mark.slow
def test_cells_that_somebody_emptied_close_no_room_and_break_no_view(
    audit: Audit, once: Callable[..., Path], table: str
) -> None:
    of = organization(ON, answers=[ANSWERS], groups=[group([ANN], [0, 1])])
    approved, now = list_snapshots(once(lambda: [audited(audit, of) for _ in range(2)]))
    before = rows_of(now, approved, approved)
    rewrite(
        now,
        table,
        lambda rows: pa.table(
            {
                name: pa.nulls(len(rows), rows[name].type)
                if not name.endswith("_id") and name != "role"
                else rows[name]
                for name in rows.column_names
            }
        ),
    )
    rows = rows_of(now, approved, approved)
    assert {row["way"] for row in rows} == {row["way"] for row in before}
    assert {row["approved"] for row in rows} <= {"yes", "yes, narrower", "no", "not known"}
    assert "<html" in write_report(now, None, [*compare(approved, now)], approved)
    assert write_open_rooms(now, approved, io.BytesIO())[0] == len(rows)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (duckdb.OutOfMemoryException("/a/path"), "who may open which room needs too much memory"),
        (duckdb.BinderException("/a/path"), "its tables are not as webex-audit writes them: 'webex-audit verify' says"),
        (duckdb.ConversionException("/a/path"), "its tables are not as webex-audit writes them"),
    ],
)
def test_an_error_over_the_ways_is_one_sentence_of_ours(audit: Audit, error: Exception, said: str) -> None:
    snapshot = audited(audit, organization())
    with pytest.raises(UsageError, match=said) as raised, readable(snapshot.manifest):
        raise error
    assert "/a/path" not in str(raised.value)
