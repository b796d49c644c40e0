"""Rules and exceptions as files: what is accepted, and what is refused in one line that names the place."""

import runpy
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from crafted import TODAY, Audit, TickingClock, crafted, result_of, statuses
from harness import Result

from audit.config import CheckSettings
from audit.errors import UsageError
from audit.extras import how_to_add
from audit.review.check.check import COLUMNS, check
from audit.review.check.exceptions import Exceptions, load_exceptions
from audit.review.check.finding import CheckResult, Finding, Severity
from audit.review.check.rules import load_rules
from audit.simulator.app import Simulation
from audit.snapshot.catalog import Snapshot, find_snapshot

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "checks.md").read_text()
HEADER = "-- title: T\n-- severity: low\n-- rationale: R\n--   goes on\n-- remedy: M\n-- tables: push_to_talk\n"
ROOMS = "SELECT org_id, entity_type, entity_id, entity_name, location_name, 'it is' AS detail FROM push_to_talk\n"


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def snapshot(audit: Audit, once: Callable[..., Path]) -> Snapshot:
    rooms = crafted(lambda _, answer: answer | {"connectionType": "TWO_WAY"}, workspaces=2)
    return find_snapshot(once(lambda: audit(Simulation(rooms))), "latest")


def rules(folder: Path, **contents: str) -> str:
    """A folder of rules; `__` in a name is `-` in the file's."""
    for name, content in contents.items():
        (folder / f"{name.replace('__', '-')}.sql").write_text(content)
    return str(folder)


def check_with(snapshot: Snapshot, folder: str | None = None, exceptions: Path | None = None) -> CheckResult:
    settings = CheckSettings(rules_dir=folder, exceptions_file=str(exceptions) if exceptions else None)
    return check(snapshot, None, settings, today=TODAY)


def test_every_built_in_rule_says_what_it_is() -> None:
    found = load_rules()
    assert found
    for rule in found:
        assert rule.title
        assert not rule.title.endswith(".")
        assert rule.rationale.endswith(".")
        assert rule.remedy.endswith(".")
        assert Path(rule.path).stem == rule.rule_id
        assert set(COLUMNS) <= set(rule.sql.replace(",", " ").split()), rule.rule_id


def test_the_page_of_checks_is_what_the_rules_say() -> None:
    assert runpy.run_path(str(DOCS / "checks.py"))["with_rules"](PAGE) == PAGE, "run: make docs"
    for rule in load_rules():
        assert f"\n### {rule.rule_id}\n\n{rule.title}. Severity: **{rule.severity}**.\n" in PAGE


def test_the_rule_and_the_exceptions_that_the_page_shows_work(snapshot: Snapshot, tmp_path: Path) -> None:
    (sql,) = [block.partition("```")[0] for block in PAGE.split("```sql\n")[1:]]
    result = check_with(snapshot, rules(tmp_path, long__list=sql.replace("> 10", "> 3")))
    assert [each.detail for each in result_of(result, "long-list").findings] == ["4 members may call"] * 2
    assert result_of(result, "long-list").rule.remedy == "Shorten the list; a text may continue on an indented line."
    (toml,) = [block.partition("```")[0] for block in PAGE.split("```toml\n")[1:]]
    (tmp_path / "exceptions.toml").write_text(toml)
    check_with(snapshot, exceptions=tmp_path / "exceptions.toml")


def test_an_own_rule_stands_beside_the_built_in_ones_and_one_of_the_same_id_replaces_it(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    folder = rules(tmp_path, mine=HEADER + ROOMS, two__way__auto__answer=HEADER + ROOMS)
    result = check_with(snapshot, folder)
    assert len(result.results) == len(load_rules()) + 1
    replaced = result_of(result, "two-way-auto-answer")
    assert (replaced.rule.severity, replaced.rule.rationale, len(replaced.findings)) == (Severity.LOW, "R goes on", 2)
    assert {each.detail for each in result_of(result, "mine").findings} == {"it is"}


TIMES = {
    "column": "'it is' AS detail, fetched_at",
    "detail": "fetched_at AS detail",
    "list": "'it is' AS detail, [fetched_at] AS times",
    "struct": "'it is' AS detail, {'at': fetched_at} AS at",
    "key": "'it is' AS detail, fetched_at AS key",
}


@pytest.mark.parametrize("columns", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("end", ["", ";", " -- a comment"])
def test_an_own_rule_may_return_times(columns: str, end: str, snapshot: Snapshot, tmp_path: Path) -> None:
    query = f"SELECT org_id, entity_type, entity_id, entity_name, location_name, {columns} FROM coverage{end}\n"
    folder = rules(tmp_path, own=HEADER.replace("push_to_talk", "coverage") + query)
    findings = result_of(check_with(snapshot, folder), "own").findings
    assert len(findings) == 2
    assert all(each.detail == "it is" or each.detail.startswith("2026-11-21 19:2") for each in findings)


def test_a_table_that_no_snapshot_has_skips_an_own_rule(snapshot: Snapshot, tmp_path: Path) -> None:
    header = HEADER.replace("push_to_talk", "do_not_disturb")
    result = check_with(snapshot, rules(tmp_path, mine=header + "SELECT * FROM do_not_disturb"))
    assert result_of(result, "mine").reason == "the snapshot has no table do_not_disturb"


WRONG_SQL = [
    ("SELECT 1\nFORM push_to_talk x", r"mine\.sql:8: Parser Error: syntax error at or near"),
    ("SELECT\n    nobody\nFROM push_to_talk", r'mine\.sql:8: Binder Error: Referenced column "nobody"'),
    ("SELECT * FROM nothing", r"mine\.sql:7: Catalog Error: Table with name nothing does not exist"),
    ("SELECT 'unfinished", r"mine\.sql:7: Parser Error: unterminated"),
    ("", r"mine\.sql:7: expected one SELECT statement"),
    ("SELECT 1; SELECT 2", r"mine\.sql:7: expected one SELECT statement"),
    ("COPY (SELECT 1) TO 'stolen.csv'", r"mine\.sql:7: expected one SELECT statement"),
    ("SELECT * FROM read_text('/etc/hostname')", r"mine\.sql:7: read_text\(\) can't be used"),
    ("SELECT org_id, entity_id FROM push_to_talk", r"mine\.sql:7: the result lacks the columns entity_type, "),
]


def test_a_rule_that_is_no_query_is_named_with_its_line(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    for sql, complaint in WRONG_SQL:
        with pytest.raises(UsageError, match=complaint) as caught:
            check_with(snapshot, rules(folder, mine=HEADER + sql))
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("stolen.csv"))


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        (ROOMS, r"1: the header lacks title, severity, rationale, remedy, tables \(such as '-- title: …'\)$"),
        (HEADER.replace("-- remedy: M\n", "") + ROOMS, r"1: the header lacks remedy \(such as '-- remedy: …'\)$"),
        (HEADER.replace(": low", ": awful") + ROOMS, "2: severity 'awful' is none of critical, high, medium, low"),
        (HEADER.replace("remedy", "remdy") + ROOMS, r"5: remdy is unknown; did you mean remedy\?$"),
        (HEADER + "-- title: again\n" + ROOMS, "7: title stands twice in the header$"),
        (
            HEADER + "-- settings: check.alowed_domains\n" + ROOMS,
            r"7: check\.alowed_domains is not a setting that rules can read;",
        ),
        (
            HEADER + "-- settings: check.rules_dir\n" + ROOMS,
            r"7: check\.rules_dir is not a setting that rules can read; ",
        ),
    ],
)
def test_a_header_that_is_wrong_is_named_with_its_line(sql: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"mine\.sql:{complaint}") as caught:
        load_rules(rules(tmp_path, mine=sql))
    assert "\n" not in str(caught.value)


def test_a_folder_of_rules_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^rules .*absent: No such file or directory$"):
        load_rules(str(tmp_path / "absent"))
    with pytest.raises(UsageError, match=r"^rules .*: the folder holds no rule \(\*\.sql\)$"):
        load_rules(str(tmp_path))
    (tmp_path / "My Rule.sql").write_text(HEADER + ROOMS)
    with pytest.raises(UsageError, match=r"My Rule\.sql:1: the name of a rule has the form two-way-room\.sql"):
        load_rules(str(tmp_path))
    (tmp_path / "My Rule.sql").rename(tmp_path / "mine.sql").write_bytes(b"-- title: \xff")
    with pytest.raises(UsageError, match=r"mine\.sql is not UTF-8"):
        load_rules(str(tmp_path))
    (tmp_path / "mine.sql").unlink()
    (tmp_path / "mine.sql").mkdir()
    with pytest.raises(UsageError, match=r"mine\.sql: Is a directory"):
        load_rules(str(tmp_path))


def finding(**changes: Any) -> Finding:
    told = {"org_id": "org", "entity_type": "WORKSPACE", "entity_id": "room", "entity_name": None}
    return Finding(**{"rule_id": "r", "severity": Severity.LOW, "location_name": None, "detail": "x"} | told | changes)


def exceptions(tmp_path: Path, text: str, today: date = TODAY) -> Exceptions:
    (tmp_path / "exceptions.toml").write_text(text)
    return load_exceptions(str(tmp_path / "exceptions.toml"), {"r", "rule-two"}, today)


ENTRY = "[[exception]]\nrule = 'r'\nreason = 'wanted'\nowner = 'Ann'\nexpires = 2026-11-22\n"


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        ("entity_id = 'room'", ["x", "y"]),
        ("org_id = 'org'", ["x", "y"]),
        ("org_id = 'org'\nentity_id = 'room'\ndetail = 'y'", ["y"]),
        ("org_id = 'another'\nentity_id = 'room'", []),
        ("entity_id = 'roo'", []),
    ],
)
def test_an_exception_accepts_what_it_names_and_no_more(wanted: str, accepted: list[str], tmp_path: Path) -> None:
    found = [finding(), finding(detail="y"), finding(rule_id="rule-two")]
    left, excepted = exceptions(tmp_path, f"{ENTRY}{wanted}\n").split(found)
    assert [each.detail for each in excepted] == accepted
    assert {each.exception for each in excepted} <= {"accepted until 2026-11-22: wanted (Ann)"}
    assert len(left) == 3 - len(accepted)
    assert all(each.exception is None for each in left)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_exceptions_are_read_as_any_editor_writes_them(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_bytes(f"{ENTRY}entity_id = 'room'\n\n".replace("\n", "\r\n").encode(encoding))
    left, _ = load_exceptions(str(file), {"r"}, TODAY).split([finding()])
    assert left == []


def test_an_exception_that_has_expired_counts_as_a_finding_again_and_says_so(tmp_path: Path) -> None:
    text = f"{ENTRY}entity_id = 'room'\n"
    left, excepted = exceptions(tmp_path, text, date(2026, 11, 23)).split([finding()])
    assert excepted == []
    assert [each.exception for each in left] == ["expired after 2026-11-22: wanted (Ann)"]
    renewed = f"{text}{ENTRY.replace('-11-22', '-12-31')}org_id = 'org'\n"
    left, excepted = exceptions(tmp_path, renewed, date(2026, 11, 23)).split([finding()])
    assert left == []
    assert excepted[0].exception == "accepted until 2026-12-31: wanted (Ann)"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ENTRY.replace("'r'", "'rule-too'"), "exception 1: unknown rule 'rule-too'; did you mean rule-two"),
        (ENTRY.replace("owner = 'Ann'\n", "") + "org_id = 'o'", "exception 1: missing required field `owner`"),
        (ENTRY.replace("reason = 'wanted'\n", "") + "org_id = 'o'", "exception 1: missing required field `reason`"),
        (ENTRY.replace("expires = 2026-11-22\n", "") + "org_id = 'o'", "exception 1: .*required field `expires`"),
        (ENTRY.replace("2026-11-22", "'soon'") + "org_id = 'o'", r"a value is not what is expected at `\$.expires`"),
        (ENTRY.replace("wanted", " ") + "org_id = 'o'", "exception 1: reason is empty"),
        (f"{ENTRY}org_id = 'o'\n{ENTRY}", "exception 2: name an org_id or an entity_id"),
        (f"{ENTRY}entity = 'o'", "exception 1: unknown field `entity`"),
        ("[[exceptions]]\nrule = 'r'", r"expected \[\[exception\]\] and nothing else"),
        ("exception = 1", r"expected \[\[exception\]\] and nothing else"),
        ("[[exception]", "is not TOML: "),
    ],
)  # fmt: skip
def test_exceptions_that_are_wrong_are_told_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"^exceptions .*exceptions\.toml.*{complaint}") as caught:
        exceptions(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_exceptions_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.toml: No such file or directory"):
        load_exceptions(str(tmp_path / "absent.toml"), set(), TODAY)


def test_an_accepted_finding_no_longer_fails_its_rule(snapshot: Snapshot, tmp_path: Path) -> None:
    before = check_with(snapshot)
    (found,) = before.findings
    file = tmp_path / "exceptions.toml"
    entry = ENTRY.replace("'r'", "'two-way-auto-answer'")
    file.write_text(f"{entry}entity_id = '{found.entity_id}'\ndetail = '{found.detail}'\n")
    after = check_with(snapshot, exceptions=file)
    assert after.findings == []
    assert (statuses(before)["two-way-auto-answer"], statuses(after)["two-way-auto-answer"]) == ("failed", "passed")
    (accepted,) = result_of(after, "two-way-auto-answer").excepted
    assert (accepted.entity_name, accepted.exception) == ("Room 0", "accepted until 2026-11-22: wanted (Ann)")


def test_the_command_tells_findings_by_its_exit_code(
    snapshot: Snapshot, webex_audit: Callable[..., Result], tmp_path: Path
) -> None:
    arguments = ["check", "--output", snapshot.path.parent]
    found = webex_audit(*arguments)
    assert found.code == 1
    assert "HIGH      two-way-auto-answer: A room auto-answers and lets callers listen (1 finding)" in found.out
    assert webex_audit(*arguments, "--fail-on", "high").code == 1
    assert webex_audit(*arguments, "--fail-on", "critical").code == 0
    as_json = webex_audit(*arguments, "--json")
    assert as_json.out == webex_audit(*arguments, "--format", "json").out
    assert '"two-way-auto-answer"' in as_json.out
    wrong = webex_audit(*arguments, "--rules", tmp_path / "absent")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    same = webex_audit(*arguments, "--against", "latest")
    assert f"compared with {snapshot.manifest.snapshot_id}" in same.out
    assert "members-gone" not in same.out
    (tmp_path / "e.toml").write_text(ENTRY)
    assert "unknown rule 'r'" in webex_audit(*arguments, "--exceptions", tmp_path / "e.toml").err


def test_without_the_extra_the_command_says_what_to_install(
    webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("duckdb", "audit.review."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    result = webex_audit("check")
    assert result.code == 2
    assert result.err == f"webex-audit: error: duckdb is not installed: {how_to_add('review')}\n"
