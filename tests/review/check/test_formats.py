"""The result of a check in each format: complete, and safe for its reader."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult, Severity
from audit.review.check.formats import FORMATS, FormatName
from audit.simulator.names import HOSTILE
from audit.text import printable

AT = datetime(2026, 11, 22, 19, 9, 30, tzinfo=UTC)


def rule(rule_id: str, severity: Severity) -> Rule:
    return Rule(rule_id, f"Title of {rule_id}", severity, "A reason.", "A remedy.", ("coverage",), "SELECT 1", "x.sql")


def finding(name: str, severity: Severity = Severity.HIGH, exception: str | None = None, org: str = "org") -> Finding:
    return Finding("two", severity, org, "WORKSPACE", f"id of {name}", name, "Kraków", f"{name} is wrong", exception)


TWO = RuleResult(
    rule("two", Severity.HIGH),
    "failed",
    [finding("Room 1"), finding("Room 2", exception="expired after 2026-01-01: was (Bob)")],
    [finding("Room 3", exception="accepted until 2027-01-01: wanted (Ann)")],
)
GONE = Finding("gone", Severity.CRITICAL, "org", None, None, None, None, "all is gone")
RESULT = CheckResult(
    "20261121T190900Z-3f9c1a",
    "20261120T190900Z-3f9c1a",
    [
        RuleResult(rule("calm", Severity.LOW), "passed"),
        RuleResult(rule("gone", Severity.CRITICAL), "failed", [GONE], reason="people of 1 of 2 were not listed"),
        RuleResult(rule("lame", Severity.INFO), "skipped", reason="check.allowed_domains is not set"),
        TWO,
    ],
)
HOSTILE_RESULT = CheckResult(
    "20261121T190900Z-3f9c1a",
    None,
    [RuleResult(rule("two", Severity.HIGH), "failed", [finding(name) for name in (*HOSTILE, "\ufffe\x00\ud800")])],
)


def render(form: FormatName, result: CheckResult = RESULT) -> str:
    return FORMATS[form](result, AT)


def test_text_tells_the_worst_first_then_what_was_skipped_then_the_sum() -> None:
    assert render("text").splitlines() == [
        "check of snapshot 20261121T190900Z-3f9c1a, compared with 20261120T190900Z-3f9c1a",
        "",
        "CRITICAL  gone: Title of gone (1 finding)",
        "  - all is gone",
        "  why: A reason.",
        "  do:  A remedy.",
        "",
        "HIGH      two: Title of two (2 findings)",
        "  - Room 1 (workspace in Kraków): Room 1 is wrong",
        "  - Room 2 (workspace in Kraków): Room 2 is wrong — expired after 2026-01-01: was (Bob)",
        "  accepted Room 3 (workspace in Kraków): Room 3 is wrong — accepted until 2027-01-01: wanted (Ann)",
        "  why: A reason.",
        "  do:  A remedy.",
        "",
        "skipped   gone  people of 1 of 2 were not listed",
        "skipped   lame  check.allowed_domains is not set",
        "",
        "3 findings (1 critical, 2 high), 1 accepted; of 4 rules, 2 found something, 1 passed, 1 skipped",
    ]


def test_text_names_the_organization_where_there_are_several_and_cuts_long_lists() -> None:
    found = [finding(f"Room {index}", org=f"org {index % 2}") for index in range(25)]
    lines = render("text", CheckResult("id", None, [RuleResult(TWO.rule, "failed", found)])).splitlines()
    assert lines[3] == "  - Room 0 (workspace in Kraków) [org 0]: Room 0 is wrong"
    assert sum(line.startswith("  - Room") for line in lines) == 20
    assert "  - … and 5 more: --format csv or json lists all" in lines


def test_text_shows_no_character_that_a_terminal_obeys() -> None:
    text = render("text", HOSTILE_RESULT)
    assert len(text.splitlines()) == 3 + len(HOSTILE) + 1 + 4
    assert all(printable(line) == line for line in text.split("\n"))
    assert "\\x1b[31mRed Room" in text


def test_json_is_the_whole_result() -> None:
    assert msgspec.json.decode(render("json"), type=CheckResult) == RESULT


def test_csv_holds_every_finding_and_what_was_skipped() -> None:
    rows = list(csv.DictReader(io.StringIO(render("csv"))))
    assert [(row["rule_id"], row["severity"], row["status"], row["detail"]) for row in rows] == [
        ("gone", "critical", "failed", "all is gone"),
        ("gone", "critical", "skipped", "people of 1 of 2 were not listed"),
        ("lame", "info", "skipped", "check.allowed_domains is not set"),
        ("two", "high", "failed", "Room 1 is wrong"),
        ("two", "high", "failed", "Room 2 is wrong"),
        ("two", "high", "accepted", "Room 3 is wrong"),
    ]
    assert rows[5]["exception"] == "accepted until 2027-01-01: wanted (Ann)"
    assert (rows[3]["entity_id"], rows[3]["location_name"], rows[3]["remedy"]) == (
        "id of Room 1",
        "Kraków",
        "A remedy.",
    )


def test_csv_runs_nothing_in_a_spreadsheet_or_a_terminal() -> None:
    text = render("csv", HOSTILE_RESULT)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(text.splitlines()) - 1 == len(HOSTILE) + 1
    for row in rows:
        for value in row.values():
            assert not value.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert printable(value) == value
    assert rows[0]["entity_name"] == "'" + HOSTILE[0]


def test_ocsf_is_one_compliance_finding_a_line() -> None:
    events = [json.loads(line) for line in render("ocsf").splitlines()]
    assert [(each["compliance"]["control"], each["compliance"]["status"], each["status"]) for each in events] == [
        ("calm", "Pass", "Resolved"),
        ("gone", "Fail", "New"),
        ("gone", "Warning", "New"),
        ("lame", "Warning", "New"),
        ("two", "Fail", "New"),
        ("two", "Fail", "New"),
        ("two", "Fail", "Suppressed"),
    ]
    for event in events:
        # What the schema requires (OCSF 1.3.0, class compliance_finding).
        assert (event["class_uid"], event["category_uid"], event["activity_id"]) == (2003, 2, 1)
        assert event["type_uid"] == 200301
        assert event["time"] == int(AT.timestamp() * 1000)
        assert event["metadata"]["version"] == "1.3.0"
        assert event["metadata"]["product"]["vendor_name"]
        assert event["finding_info"].keys() >= {"uid", "title"}
        assert event["compliance"]["standards"]
        assert event["remediation"]["desc"] == "A remedy."
        assert event["compliance"]["status_id"] == {"Pass": 1, "Warning": 2, "Fail": 3}[event["compliance"]["status"]]
        assert event["status_id"] == {"New": 1, "Suppressed": 3, "Resolved": 4}[event["status"]]
    assert [event["severity_id"] for event in events] == [1, 5, 1, 1, 4, 4, 4]
    assert events[1]["resources"] == [{"uid": "org", "type": "ORGANIZATION", "namespace": "org"}]
    assert events[4]["resources"][0]["name"] == "Room 1"


def test_ocsf_knows_a_finding_again() -> None:
    def uids(result: CheckResult, at: datetime) -> list[Any]:
        return [json.loads(line)["finding_info"]["uid"] for line in FORMATS["ocsf"](result, at).splitlines()]

    found = uids(RESULT, AT)
    assert len(set(found)) == len(found)
    later = msgspec.structs.replace(RESULT, snapshot_id="another")
    assert uids(later, AT.replace(day=23)) == found


def test_junit_is_a_test_case_for_each_rule() -> None:
    root = ET.fromstring(render("junit"))
    (suite,) = root
    assert {name: suite.attrib[name] for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "4", "failures": "2", "skipped": "1", "errors": "0",
    }  # fmt: skip
    cases = {case.attrib["name"]: case for case in suite}
    assert list(cases["calm"]) == []
    skipped = cases["lame"].find("skipped")
    assert skipped is not None
    assert skipped.attrib == {"message": "check.allowed_domains is not set"}
    failure = cases["two"].find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "high: Title of two (2)", "type": "high"}
    assert (failure.text or "").splitlines() == [
        "org / WORKSPACE / id of Room 1 / Room 1 / Kraków: Room 1 is wrong",
        "org / WORKSPACE / id of Room 2 / Room 2 / Kraków: Room 2 is wrong — expired after 2026-01-01: was (Bob)",
        "why: A reason.",
        "do: A remedy.",
    ]
    assert (cases["two"].findtext("system-out") or "").startswith("accepted: org / WORKSPACE / id of Room 3")
    assert cases["gone"].findtext("system-out") == "not judged: people of 1 of 2 were not listed"


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("form", ["json", "ocsf", "junit"])
def test_hostile_names_stay_data(form: FormatName) -> None:
    names = tuple(name for name in HOSTILE_RESULT.findings if "\ud800" not in name.detail)
    result = CheckResult("id", None, [RuleResult(TWO.rule, "failed", list(names))])
    text = render(form, result if form != "junit" else HOSTILE_RESULT)
    if form == "junit":
        failure = ET.fromstring(text).find(".//failure")
        assert failure is not None
        assert len((failure.text or "").splitlines()) == len(HOSTILE_RESULT.findings) + 2
    elif form == "json":
        assert msgspec.json.decode(text, type=CheckResult) == result
    else:
        assert [json.loads(line)["resources"][0]["name"] for line in text.splitlines()] == list(HOSTILE)
