"""A query of `open_rooms` reads well on a terminal, and says what the view lacks."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from crafted import Audit, TickingClock
from harness import Result
from ways import ANSWERS, WAYS, audited, organization, party, target

from audit.review.open_rooms import OPEN_ROOMS_SCHEMA
from audit.review.query.query import ask
from audit.review.query.rows import as_text
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

ON = {"allowAutoAnswer": True}
ONE = "entity_name, way, since, approved"


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


def _snapshot(audit: Audit, *rooms: dict[str, Any], **flags: Any) -> Snapshot:
    groups = [{"originators": [party("Ann")], "targets": [target(organization(), 2)]}]
    return audited(audit, organization(*(rooms or (ON,)), answers=[ANSWERS], groups=groups), **flags)


@pytest.mark.parametrize(("width", "shown"), [(80, "direction"), (120, "since")])
def test_the_telling_columns_fit_on_a_terminal_and_the_others_are_named(audit: Audit, width: int, shown: str) -> None:
    with ask(_snapshot(audit), "FROM open_rooms") as rows:
        *lines, note = "".join(as_text(rows.schema, rows.batches, width)).splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= width
    assert lines[0].split()[:4] == ["entity_name", "kind", "way", "openers"]
    assert shown in lines[0]
    assert "columns too many for the terminal: " in note
    assert note.endswith("entity_type, entity_id, location_id, org_id)")
    assert any(line.split()[:5] == ["Room", "0", "room", "answer_settings", "whoever"] for line in lines)


def test_of_a_table_with_few_columns_none_is_left_out() -> None:
    batch = pa.record_batch({name: ["x" * 50] for name in "abcd"})
    assert "too many" not in "".join(as_text(batch.schema, [batch], 60))


def test_csv_and_json_have_all_columns(audit: Audit, webex_audit: Callable[..., Result]) -> None:
    path = _snapshot(audit).path
    table = list(csv.DictReader(io.StringIO(webex_audit("query", "--csv", path, "FROM open_rooms").out)))
    assert [*table[0]] == OPEN_ROOMS_SCHEMA.names
    found = json.loads(webex_audit("query", "--json", path, "FROM open_rooms").out)
    assert [row["entity_name"] for row in found] == [row["entity_name"] for row in table]
    assert [*found[0]] == OPEN_ROOMS_SCHEMA.names


@pytest.mark.slow
def test_a_query_knows_the_snapshot_before_and_the_approved_one(
    audit: Audit, webex_audit: Callable[..., Result]
) -> None:
    first = _snapshot(audit)
    flags = ("--output", first.path.parent)
    assert webex_audit("approve", *flags, "--reason", "Seen", "--by", "Ann").code == 0
    second = _snapshot(audit, ON, ON)
    sql = f"SELECT {ONE} FROM open_rooms ORDER BY ALL"
    rows = json.loads(webex_audit("query", "--json", second.path, sql).out)
    assert [(row["entity_name"], row["way"], row["since"][17:], row["approved"]) for row in rows] == [
        ("Room 0", "answer_settings", "or earlier", "yes"),
        ("Room 0", "push_to_talk", "or earlier", "yes"),
        ("Room 1", "push_to_talk", "or later", "no"),
        ("Room 2", "paging", "or earlier", "yes"),
    ]
    (row,) = json.loads(
        webex_audit("query", "--json", second.path, "SELECT count(*) AS n FROM previous.open_rooms").out
    )
    assert row == {"n": 3}
    old = json.loads(webex_audit("query", "--json", first.path, sql).out)
    assert {(row["since"], row["approved"]) for row in old} == {(None, "yes")}


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            "FROM previous.push_to_talk",
            "no snapshot of the same scope before {}, so there are no tables of previous: run",
        ),
        (
            "SELECT now.* FROM coverage AS now JOIN Previous . coverage USING (entity_id)",
            "no snapshot of the same scope",
        ),
        ('FROM "previous"."coverage"', "no snapshot of the same scope before {}"),
        (
            "FROM approved.open_rooms",
            "no snapshot of this scope is approved, so there are no tables of approved: 'webex-",
        ),
        ("FROM push_to_tlk", "there is no table push_to_tlk; did you mean push_to_talk?"),
    ],
)
def test_a_query_of_a_snapshot_that_is_not_there_says_what_is_missing(
    sql: str, told: str, audit: Audit, webex_audit: Callable[..., Result]
) -> None:
    first = _snapshot(audit)
    result = webex_audit("query", first.path, sql)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"webex-audit: error: query: {told.format(first.manifest.snapshot_id)}")


@pytest.mark.parametrize(
    ("datasets", "lacks"),
    [
        (["push-to-talk"], "answer settings were not read; paging groups were not read"),
        (["answer-settings"], "Push-to-Talk was not read; paging groups were not read"),
        (["paging-groups", "answer-settings"], "Push-to-Talk was not read"),
    ],
)
def test_a_query_says_what_was_not_read(
    audit: Audit, webex_audit: Callable[..., Result], datasets: list[str], lacks: str
) -> None:
    path = _snapshot(audit, scope__datasets=datasets).path
    result = webex_audit("query", path, "SELECT DISTINCT way FROM open_rooms")
    assert result.code == 0
    assert result.err == f"webex-audit: warning: open_rooms is incomplete: {lacks}\n"


def test_a_snapshot_without_any_way_says_what_it_needs(audit: Audit, webex_audit: Callable[..., Result]) -> None:
    path = _snapshot(audit, scope__datasets=["audio-options"]).path
    result = webex_audit("query", path, "FROM open_rooms")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "webex-audit: error: query: open_rooms needs one of --dataset push-to-talk, --dataset answer-settings, "
        "--dataset paging-groups in the snapshot\n"
    )
    assert webex_audit("query", path).code == 0


def test_the_list_of_tables_describes_the_view(audit: Audit, webex_audit: Callable[..., Result]) -> None:
    snapshot = _snapshot(audit)
    said = webex_audit("query", snapshot.path).out
    assert "open_rooms  a view: a row for each entity and way in which it opens by itself\n" in said
    listed = json.loads(webex_audit("query", "--json", snapshot.path).out)
    columns = [row["column"] for row in listed if row["table"] == "open_rooms"]
    assert columns == OPEN_ROOMS_SCHEMA.names
    assert all(row["holds"] for row in listed)
    assert {row["table"] for row in listed} == {*snapshot.manifest.tables, "open_rooms"}


def test_a_query_says_which_organizations_were_not_read(audit: Audit, webex_audit: Callable[..., Result]) -> None:
    refused = Organization(workspaces=4, seed=5)
    simulation = Simulation(organization(ON), customers=(refused,), refused_organizations=frozenset({refused.org_id}))
    snapshot = audit(simulation, **WAYS, scope__all_orgs=True)
    err = webex_audit("query", snapshot.path, "SELECT count(*) FROM open_rooms").err
    assert "is incomplete: 1 of 2 organizations could not be read, or only in part" in err
