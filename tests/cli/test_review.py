"""The arguments of the review's commands."""

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


@pytest.mark.parametrize("sql", ["SELECT count(*) AS n FROM coverage", "from coverage select count(*) as n"])
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
