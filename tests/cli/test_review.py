"""The arguments of the review's commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Result

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Command = Callable[..., Result]


@pytest.fixture
def taken(audit: Callable[..., Snapshot]) -> Callable[..., str]:
    """Takes a snapshot of an organization, and returns its id."""

    def take(workspaces: int, **flags: Any) -> str:
        return audit(Simulation(Organization(workspaces)), **flags).manifest.snapshot_id

    return take


@pytest.mark.slow
def test_a_diff_compares_with_the_latest_before_of_the_same_scope(
    taken: Callable[..., str], webex_audit: Command, tmp_path: Path
) -> None:
    at = ("--output", tmp_path / "out")
    alone = (taken(5), webex_audit("diff", *at))[1]
    assert alone.code == 2
    assert "no snapshot of the same scope before" in alone.err
    first = taken(6)
    other = taken(3, scope__entities=["person"])
    last = taken(8)
    told = webex_audit("diff", *at)
    assert told.code == 0
    assert told.out == webex_audit("diff", first, last, *at).out == webex_audit("diff", first, *at).out
    assert told.out != webex_audit("diff", other, last, *at).out


@pytest.mark.slow
def test_latest_and_previous_are_of_the_same_scope_as_the_other_snapshot(
    taken: Callable[..., str], webex_audit: Command, tmp_path: Path
) -> None:
    at = ("--output", tmp_path / "out")
    first, second = taken(5), taken(6)
    people = taken(3, scope__entities=["person"])
    third = taken(7)
    other = taken(4, scope__entities=["person"])

    def compared(*arguments: object) -> list[str]:
        shown = json.loads(webex_audit("diff", *arguments, "--json", *at).out)
        return [shown["old"], shown["new"]]

    assert compared() == compared("previous", "latest") == compared("previous") == [people, other]
    assert compared("latest", "previous") == [other, people]
    assert compared("previous", third) == [second, third]
    assert compared(third, "previous") == [third, second]
    assert compared(first) == compared(first, "latest") == [first, third]
    assert compared("latest", first) == [third, first]
    assert compared(other, "latest") == compared("latest", "latest") == [other, other]
    for old, new, why in (
        ("previous", people, f"no snapshot of the same scope before {people}"),
        (first, "previous", f"no snapshot of the same scope before {first}"),
        ("previous", "previous", "name one of the two otherwise"),
        ("privious", "latest", "no snapshot privious"),
    ):
        refused = webex_audit("diff", old, new, *at)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert why in refused.err
    for against, before in (("previous", second), ("latest", third), (first, first)):
        checked = webex_audit("check", third, "--against", against, "--json", *at)
        assert json.loads(checked.out)["previous_id"] == before
        assert webex_audit("report", third, "--against", against, "--file", "r.html", *at).code == 0
        assert before in Path("r.html").read_text()
    for command in ("check", "report"):
        refused = webex_audit(command, first, "--against", "previous", *at)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert f"no snapshot of the same scope before {first}" in refused.err


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM coverage",
        "from coverage select count(*) as n",
        "(SELECT count(*) AS n FROM coverage)",
        "-- how many?\nSELECT count(*) AS n FROM coverage",
        "--how many?\nSELECT count(*) AS n FROM coverage",
        "/* how\nmany? */ with c AS (FROM coverage) SELECT count(*) AS n FROM c",
        "\n  select\ncount(*) AS n\nfrom coverage;\n",
        "SELECT(SELECT count(*) FROM coverage)AS n",
        "values(4)",
    ],
)
def test_sql_alone_asks_the_latest_snapshot(
    sql: str, taken: Callable[..., str], webex_audit: Command, tmp_path: Path
) -> None:
    at = ("--output", tmp_path / "out")
    taken(3)
    taken(4)
    assert webex_audit("query", sql, "--csv", *at).out == webex_audit("query", "latest", sql, "--csv", *at).out
    assert "4" in webex_audit("query", sql, "--csv", *at).out


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT 1 AS n WHERE 1 IN ({'1, ' * 3000}1)",
        f"SELECT '{'x' * 300}' AS n",
        f"FROM coverage SELECT 8 / 2, '{'y' * 5000}'",
        "SELECT 1/2 AS n",
    ],
    ids=lambda sql: sql[:12],
)
def test_sql_that_no_file_can_have_as_its_name_is_sql(
    sql: str, taken: Callable[..., str], webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "SELECT 1").touch()
    at = ("--output", tmp_path / "out")
    taken(3)
    told = webex_audit("query", sql, "--csv", *at)
    assert (told.code, told.err) == (0, "")
    assert told.out == webex_audit("query", "latest", sql, "--csv", *at).out


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT form coverage WHER",
        "SELCT count(*) FROM coverage",
        "selectt 1",
        "FORM coverage",
        "(select 1 2 3)",
        "-- x\nSELECT nothing",
        "/* x */ WITH a AS SELECT 1",
        "DROP TABLE x",
    ],
)
def test_sql_with_a_mistake_is_told_as_sql(
    sql: str, taken: Callable[..., str], webex_audit: Command, tmp_path: Path
) -> None:
    taken(3)
    told = webex_audit("query", sql, "--output", tmp_path / "out")
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith("webex-audit: error: query: ")


MISTYPED = (
    "20261121T190900Z-3f9c1b", "20261121T190900Z", "lates", "previous ", "./snapshots/x", "a/b c", "s 1", "coverage",
    "from-backup/20261121T190900Z-3f9c1b", "select", "with-x", "4", "x;y", "/nowhere (copy)", "1 -- x",
    "backup of May", "selct",
)  # fmt: skip


def test_a_mistyped_snapshot_is_not_told_as_sql(
    taken: Callable[..., str], webex_audit: Command, tmp_path: Path
) -> None:
    taken(3)
    for name in MISTYPED:
        told = webex_audit("query", name, "--output", tmp_path / "out")
        assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
        assert told.err.startswith(f"webex-audit: error: no snapshot {name} in ")


def test_a_snapshot_alone_still_lists_its_tables(
    taken: Callable[..., str], webex_audit: Command, tmp_path: Path
) -> None:
    taken(2)
    snapshot_id = taken(3)
    at = ("--output", tmp_path / "out")
    for name in ((), ("latest",), (snapshot_id,), (tmp_path / "out" / snapshot_id,)):
        assert webex_audit("query", *name, *at).out.startswith("coverage  3 rows\n")
    assert webex_audit("query", "previous", *at).out.startswith("coverage  2 rows\n")


def test_a_long_name_of_no_snapshot_is_cut_in_the_message(
    taken: Callable[..., str], webex_audit: Command, tmp_path: Path
) -> None:
    taken(3)
    told = webex_audit("show", "x" * 5000, "--output", tmp_path / "out")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert len(told.err) < 500


def test_a_folder_that_is_named_like_sql_is_a_folder(
    taken: Callable[..., str], webex_audit: Command, tmp_path: Path
) -> None:
    snapshot = tmp_path / "out" / taken(3)
    snapshot.rename(tmp_path / "from coverage")
    told = webex_audit("query", "from coverage")
    assert (told.code, told.out.startswith("coverage  3 rows")) == (0, True)
