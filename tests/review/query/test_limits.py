"""SQL that would use up the machine: stopped with one line, whatever it asks for."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from crafted import POLICY, TODAY
from harness import Result
from measured_commands import MOST_MIB, run

from audit.review.check.check import check
from audit.review.query.query import ask
from audit.snapshot.catalog import Snapshot

pytestmark = pytest.mark.attack("memory")

#: Each would need gigabytes: in an aggregate, in a text of a function, in a result, in what is sorted.
GREEDY = (
    "SELECT list(range) FROM range(2000000000)",
    "SELECT string_agg(range::VARCHAR) FROM range(2000000000)",
    "SELECT length(repeat('a', 4000000000))",
    "SELECT sum(length(repeat('a', 1000000 + range::INT))) FROM range(2048000)",
    "SELECT repeat('a', 50000000) FROM range(100000)",
    "SELECT map_from_entries(list((range, range::VARCHAR))) FROM range(1000000000)",
)
#: Each would compute for hours.
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "SELECT max(a.range * b.range) FROM range(1000000) a, range(1000000) b",
    "SELECT count(*) FROM generate_series(1, 100000000000000)",
    "SELECT count(*) FROM range(1000000000000) WHERE regexp_matches(range::VARCHAR, '(1?){20}1{20}9x')",
)

#: Needs more than memory, and less than the disk.
SPILLING = "hash(range), range::VARCHAR || 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' FROM range(6000000)"


@pytest.mark.few(3)
@pytest.mark.parametrize("sql", GREEDY)
@pytest.mark.slow
def test_a_query_that_needs_all_memory_is_stopped_in_bounded_memory(sql: str, snapshot: Snapshot) -> None:
    peak, [(code, out, err)] = run(["query", str(snapshot.path), sql])
    assert (code, out) == (2, "")
    assert err == "webex-audit: error: query: it needs more memory than it may use: ask for less at once\n"
    assert peak < MOST_MIB


@pytest.mark.parametrize("sql", ENDLESS)
def test_a_query_that_never_ends_is_stopped_when_its_time_is_over(sql: str, query: Callable[..., Result]) -> None:
    result = query("--timeout", "0.3s", sql)
    assert result == Result(5, "", "webex-audit: error: query: its time is over: ask for less, or raise --timeout\n")


def test_a_query_that_ends_in_time_is_answered_however_slowly_it_is_read(snapshot: Snapshot) -> None:
    with ask(snapshot, "FROM range(100000)", timeout_s=60) as rows:
        assert sum(batch.num_rows for batch in rows.batches) == 100_000


def rule(folder: Path, name: str, sql: str) -> None:
    columns = "NULL AS org_id, NULL AS entity_type, NULL AS entity_id, NULL AS entity_name, NULL AS location_name"
    header = "-- title: t\n-- severity: high\n-- rationale: r\n-- remedy: r\n-- tables: coverage\n"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.sql").write_text(f"{header}SELECT {columns}, ({sql})::VARCHAR AS detail\n")


@pytest.mark.parametrize(
    ("sqls", "timeout", "reason"),
    [
        (GREEDY[:3], "1m", "it needs more memory than a rule may use"),
        (ENDLESS[:3], "0.5s", "it did not end within 0.5s: --timeout sets the time"),
    ],
)
def test_a_rule_of_ones_own_that_needs_too_much_is_skipped_and_never_passed(
    sqls: tuple[str, ...], timeout: str, reason: str, snapshot: Snapshot, tmp_path: Path
) -> None:
    for number, sql in enumerate(sqls):
        rule(tmp_path / "rules", f"hostile-{number}", sql)
    settings = msgspec.structs.replace(POLICY, rules_dir=str(tmp_path / "rules"), timeout=timeout)
    found = {each.rule.rule_id: each for each in check(snapshot, None, settings, today=TODAY).results}
    for number in range(len(sqls)):
        assert (found[f"hostile-{number}"].status, found[f"hostile-{number}"].reason) == ("skipped", reason)
    assert found["two-way-auto-answer"].status in {"passed", "failed"}


@pytest.mark.slow
def test_what_a_query_spills_lies_in_a_folder_of_its_own_and_is_removed(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spill").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "spill"))
    before = set(Path.cwd().iterdir())
    _, results = run(["query", str(snapshot.path), f"SELECT count(*) FROM (SELECT DISTINCT {SPILLING})"])
    assert [each[0] for each in results] == [0]
    assert list((tmp_path / "spill").iterdir()) == []
    assert set(Path.cwd().iterdir()) == before
