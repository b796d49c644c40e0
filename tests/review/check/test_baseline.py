"""A baseline accepts the findings of a day: only what is new is shown, and what is gone is named."""

import json
import os
import resource
import stat
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crafted import Audit, Change, TickingClock, crafted
from harness import Result, Where
from starting import start, told

from audit.simulator.app import Simulation
from audit.simulator.names import HOSTILE
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot

Check = Callable[..., Result]
HEADER = "-- title: T\n-- severity: low\n-- rationale: R.\n-- remedy: M.\n-- tables: coverage\n"
UNOWNED = "accepted by the baseline, without owner"


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def check(webex_audit: Callable[..., Result], tmp_path: Path) -> Check:
    """`check` of the latest snapshot."""
    return lambda *arguments: webex_audit("check", "--output", tmp_path / "out", *arguments)


def entries_of(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(file.read_text("utf-8"))["exception"]
    return found


def details_of(shown: Result) -> set[str]:
    return {finding["detail"] for each in json.loads(shown.out)["results"] for finding in each["findings"]}


def members(*changes: Json) -> Change:
    """A room whose first members differ."""
    return lambda _, answer: (
        answer
        | {
            "members": [
                *(member | change for member, change in zip(answer["members"], changes, strict=False)),
                *answer["members"][len(changes) :],
            ]
        }
    )


def two_way(count: int) -> Change:
    return lambda _, answer: answer | {"connectionType": "TWO_WAY", "members": answer["members"][:count]}


@pytest.mark.slow
def test_a_baseline_accepts_todays_findings_and_only_the_rest_is_shown(
    audit: Audit, check: Check, tmp_path: Path
) -> None:
    audit(Simulation(crafted(two_way(4))))
    file = tmp_path / "baseline.toml"
    assert check().code == 1
    written = check("--write-baseline", file)
    assert (written.code, written.err) == (
        0, f"webex-audit: {file}: 1 entry written: fill in owner, reason and expires\n"
    )  # fmt: skip
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (entry,) = entries_of(file)
    assert {*entry} == {"rule", "org_id", "entity_id", "detail", "owner", "reason", "expires"}
    assert (entry["rule"], entry["owner"], entry["reason"], entry["expires"]) == ("two-way-auto-answer", "", "", "")
    assert "\n# high: Room 0 (workspace), Paragville Main Hospital, Northwind Medical Group\n[[exception]]\n" in (
        file.read_text()
    )
    again = check("--write-baseline", tmp_path / "again.toml")
    assert again.out == written.out
    assert (tmp_path / "again.toml").read_bytes() == file.read_bytes()
    quiet = check("--baseline", file)
    assert (quiet.code, quiet.out) == (0, written.out)
    assert f"baseline  1 finding {UNOWNED}\n" in quiet.out
    assert "\n0 findings, 1 accepted (1 by the baseline); " in quiet.out
    assert "Room 0" not in quiet.out
    (accepted,) = next(
        each for each in json.loads(check("--baseline", file, "--json").out)["results"] if each["excepted"]
    )["excepted"]
    assert (accepted["exception"], accepted["baseline"]) == (UNOWNED, "without owner")
    audit(Simulation(crafted(two_way(4), two_way(3))))
    new = check("--baseline", file)
    assert new.code == 1
    assert "Room 1 (workspace" in new.out
    assert "Room 0" not in new.out


@pytest.mark.slow
def test_only_a_change_of_meaning_is_new(audit: Audit, check: Check, tmp_path: Path) -> None:
    """Names and order are not; who may open which room is."""
    far = {"location": {"id": "far", "name": "Far Away"}, "numbers": [{"external": "+1"}, {"external": "+22"}]}
    place = {"type": "PLACE"}
    audit(Simulation(crafted(two_way(4), members(far), members(place))))
    file = tmp_path / "baseline.toml"
    assert check("--write-baseline", file).code == 0
    assert {each["rule"] for each in entries_of(file)} == {
        *("two-way-auto-answer", "member-of-another-location", "member-without-valid-number"),
        "member-of-unsupported-type",
    }
    renamed = {"displayName": "New Name", "firstName": "New", "email": "new@example.com"}
    far_too = {"location": {"id": "far", "name": "Renamed"}, "numbers": far["numbers"][::-1]}

    def turned(organization: Organization, answer: Json) -> Json:
        return answer | {"members": members(far_too | renamed)(organization, answer)["members"][::-1]}

    audit(Simulation(crafted(two_way(4), turned, members(place | renamed))))
    same = check("--baseline", file)
    assert (same.code, "stale" in same.out) == (0, False)
    otherwise = [two_way(3), members(far | {"numbers": [{"external": "+1"}]}), members({"type": "VIRTUAL_LINE"})]
    audit(Simulation(crafted(*otherwise)))
    assert details_of(check("--baseline", file, "--json")) == {
        "answers by itself and lets callers listen and speak; only the 3 members on its list may call",
        *(f"member José Rossi (user0001@example.com) {each}" for each in ("has only the invalid number +1", "is of type VIRTUAL_LINE")),  # noqa: E501
    }  # fmt: skip


def test_what_matches_nothing_any_more_is_told_unless_it_was_not_read(
    audit: Audit, check: Check, tmp_path: Path
) -> None:
    audit(Simulation(crafted(two_way(4), two_way(3), two_way(2))))
    file = tmp_path / "baseline.toml"
    assert check("--write-baseline", file).code == 0
    rooms = [crafted().workspace(index)["id"] for index in range(3)]
    audit(Simulation(crafted(two_way(4)), Where("400", f"{rooms[1]}/pushToTalk")))
    shown = check("--baseline", file, "--rule", "two-way-auto-answer")
    assert shown.code == 0
    stale = f"{rooms[2]}: matches no finding any more (without owner)"
    assert [line for line in shown.out.splitlines() if line.startswith("stale")] == [
        f"stale     two-way-auto-answer: answers by itself and lets callers listen and speak; only the 2 members on its list may call of {stale}"  # noqa: E501
    ]
    found = check("--baseline", file, "--json")
    assert [each["entity_id"] for each in json.loads(found.out)["stale"]] == [rooms[2]]
    warning = f"1 exception no longer matches any finding: two-way-auto-answer of {rooms[2]}: remove it"
    assert found.err == f"webex-audit: warning: {warning}\n"
    assert check("--baseline", file, "--quiet").err == found.err


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_warning_of_stale_entries_names_some_of_them(count: int, audit: Audit, check: Check, tmp_path: Path) -> None:
    audit(Simulation(crafted()))
    entry = (
        "[[exception]]\nrule = 'member-twice'\nentity_id = 'room-{}'\nreason = 'r'\nowner = 'o'\nexpires = 2999-01-01\n"
    )
    (tmp_path / "gone.toml").write_text("".join(map(entry.format, range(count))))
    named = ", ".join(f"member-twice of room-{each}" for each in range(min(count, 3)))
    rest = " and 2 more, which 'webex-audit check' lists" if count == 5 else ""
    assert check("--exceptions", "gone.toml", "--quiet") == Result(
        0, "", f"webex-audit: warning: {count} exceptions no longer match any finding: {named}{rest}: remove them\n"
    )


def test_an_entry_for_what_the_exceptions_accept_already_is_not_stale(
    audit: Audit, check: Check, tmp_path: Path
) -> None:
    audit(Simulation(crafted(two_way(4), two_way(3), members({"type": "PLACE"}))))
    file, exceptions = tmp_path / "baseline.toml", tmp_path / "exceptions.toml"
    assert check("--write-baseline", file).code == 0
    exceptions.write_text(filled(file, "2099-12-31"))
    file.write_text(f'{file.read_text()}\n[[exception]]\nrule = "two-way-auto-answer"\nentity_id = "gone"\n')
    shown = check("--exceptions", exceptions, "--baseline", file, "--json")
    assert shown.code == 0
    assert [each["entity_id"] for each in json.loads(shown.out)["stale"]] == ["gone"]


def filled(file: Path, expires: str) -> str:
    """A baseline that somebody has filled in."""
    text = file.read_text().replace('owner = ""', 'owner = "Ann"').replace('reason = ""', 'reason = "wanted"')
    return text.replace('expires = ""', f"expires = {expires}")


@pytest.mark.parametrize("expires", ["2099-12-31", '"2099-12-31"'])
@pytest.mark.slow
def test_a_baseline_that_is_filled_in_is_one_of_exceptions(
    expires: str, audit: Audit, check: Check, tmp_path: Path
) -> None:
    audit(Simulation(crafted(two_way(4), members({"type": "PLACE"}))))
    file = tmp_path / "baseline.toml"
    check("--write-baseline", file)
    refused = check("--exceptions", file)
    assert (refused.code, refused.out) == (2, "")
    assert "exception 1: reason is empty" in refused.err
    (tmp_path / "filled.toml").write_text(filled(file, expires))
    for flag in ("--exceptions", "--baseline"):
        shown = check(flag, tmp_path / "filled.toml", "--json")
        assert shown.code == 0
        assert shown.out.count('"accepted until 2099-12-31: wanted (Ann)"') == 2
    assert "without owner" not in check("--baseline", tmp_path / "filled.toml").out
    one, other = file.read_text().split("\n\n# ")[1:]
    (tmp_path / "one.toml").write_text(f"# {one}")
    (tmp_path / "other.toml").write_text(filled(file, expires).partition(one[:20])[0] and f"# {other}")
    (tmp_path / "owned.toml").write_text(filled(tmp_path / "other.toml", expires))
    both = check("--baseline", tmp_path / "one.toml", "--exceptions", tmp_path / "owned.toml")
    assert both.code == 0
    assert "accepted until 2099-12-31: wanted (Ann)" in both.out
    assert "\n0 findings, 2 accepted (1 by the baseline); " in both.out


def test_an_entry_that_has_expired_accepts_nothing(audit: Audit, check: Check, tmp_path: Path) -> None:
    audit(Simulation(crafted(two_way(4))))
    file = tmp_path / "baseline.toml"
    check("--write-baseline", file)
    text = file.read_text()
    cases = {"": "expired after 2020-01-31, without owner", "Ann": "expired after 2020-01-31, without reason (Ann)"}
    for owner, said in cases.items():
        file.write_text(
            text.replace('expires = ""', "expires = 2020-01-31").replace('owner = ""', f'owner = "{owner}"')
        )
        shown = check("--baseline", file)
        assert (shown.code, said in shown.out) == (1, True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[exception]]\nrule = 'two-way-autoanswer'\norg_id = 'x'", "exception 1: unknown rule 'two-way-autoanswer'; did"),  # noqa: E501
        ("[[exception]]\nrule = 'member-twice'", "exception 1: name an org_id or an entity_id"),
        ("[[exception]]\nrule = 'member-twice'\ndetail = 'x'", 'exception 1: name an org_id or an entity_id, or both as ""'),  # noqa: E501
        ("[[exception]]\nrule = 'member-twice'\norg_id = ''\ndetail = 'x'\nexpires = 'soon'", "exception 1: a value is"),  # noqa: E501
        ("exception = [1]", "exception 1: a value is not what is expected"),
        ("[[exceptions]]", "expected [[exception]] and nothing else"),
        ("[[exception", "is not TOML"),
    ],
)  # fmt: skip
def test_a_baseline_that_is_wrong_is_told_in_one_line(
    text: str, complaint: str, audit: Audit, check: Check, tmp_path: Path
) -> None:
    audit(Simulation(crafted()))
    (tmp_path / "b.toml").write_text(text)
    refused = check("--baseline", tmp_path / "b.toml")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert refused.err.startswith(f"webex-audit: error: baseline {tmp_path / 'b.toml'}")
    assert complaint in refused.err


def test_a_baseline_takes_the_place_of_nothing(audit: Audit, check: Check, tmp_path: Path) -> None:
    audit(Simulation(crafted(two_way(4))))
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    for name in ("target", "link", "dangling", "folder", "pipe"):
        refused = check("--write-baseline", tmp_path / name)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert f"--write-baseline {tmp_path / name}: it exists" in refused.err
    missing = check("--write-baseline", tmp_path / "absent" / "b.toml")
    assert (missing.code, missing.err.count("\n"), "No such file or directory" in missing.err) == (2, 1, True)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "target").read_text() == "precious"
    for name, fault in (("-", "--write-baseline: name a new file"), ("", "--write-baseline is empty")):
        unnamed = check("--write-baseline", name)
        assert (unnamed.code, unnamed.out, unnamed.err.count("\n")) == (2, "", 1)
        assert fault in unnamed.err
    assert not Path("-").exists()
    same = check("--baseline", tmp_path / "target", "--write-baseline", tmp_path / "target")
    assert (same.code, same.err.count("\n")) == (2, 1)


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_no_half_baseline(audit: Audit, tmp_path: Path) -> None:
    audit(Simulation(Organization(150)))
    ended = start(
        *("check", "--output", tmp_path / "out", "--write-baseline", tmp_path / "b.toml"),
        limits={resource.RLIMIT_FSIZE: 60_000},
    )
    assert ended.returncode == 2
    assert f"--write-baseline {tmp_path / 'b.toml'}: File too large" in told(ended.stderr)
    assert [each.name for each in tmp_path.iterdir() if "b.toml" in each.name] == []


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.slow
def test_a_hostile_name_in_a_baseline_is_a_comment_or_a_string(audit: Audit, check: Check, tmp_path: Path) -> None:
    class Hostile(Organization):
        def workspace(self, index: int) -> Json:
            name = ('x"\n[[exception]]\nrule = "member-twice"\r\x1b[2J\\', "'''\u2028\u202e\x7f\x85\U000e0041#")[
                index % 2
            ]
            return super().workspace(index) | {"displayName": name + HOSTILE[index % len(HOSTILE)]}

        def member(self, index: int) -> Json:
            return super().member(index) | {"type": 'PLACE"\n\t\x00\\', "displayName": "\x1b]0;\x07" + '"""' * 3}

    audit(Simulation(Hostile(60, people=30)), scope__entities=["workspace", "person"])
    file = tmp_path / "b.toml"
    found = check("--json")
    count = sum(len(each["findings"]) for each in json.loads(found.out)["results"])
    assert check("--write-baseline", file, "--quiet").code == 0
    assert all(line.isprintable() for line in file.read_text().split("\n"))
    assert 100 < len(entries_of(file)) <= count
    accepted = check("--baseline", file)
    assert (accepted.code, f"{count:,} accepted ({count:,} by the baseline)" in accepted.out) == (0, True)


def test_what_is_of_no_room_and_of_no_organization_is_accepted_exactly(
    audit: Audit, check: Check, tmp_path: Path
) -> None:
    audit(Simulation(crafted()))
    row = "SELECT {} AS org_id, NULL AS entity_type, NULL AS entity_id, NULL AS entity_name, NULL AS location_name, '{}' AS detail"  # noqa: E501
    own = tmp_path / "rules"
    own.mkdir()
    (own / "own.sql").write_text(HEADER + row.format("NULL", "all is wrong"))
    arguments = ("--rules", own, "--rule", "own")
    assert check(*arguments, "--write-baseline", tmp_path / "b.toml").code == 0
    assert check(*arguments, "--baseline", tmp_path / "b.toml").code == 0
    for org, detail in (("'x'", "all is wrong"), ("NULL", "more is wrong")):
        (own / "own.sql").write_text(HEADER + row.format(org, detail))
        assert check(*arguments, "--baseline", tmp_path / "b.toml").code == 1


@pytest.mark.faults
def test_many_findings_of_a_single_room_take_seconds(audit: Audit, check: Check, tmp_path: Path) -> None:
    audit(Simulation(crafted(workspaces=1)))
    own = tmp_path / "rules"
    own.mkdir()
    (own / "own.sql").write_text(
        HEADER + "SELECT org_id, entity_type, entity_id, entity_name, location_name, 'number ' || range AS detail\n"
        "FROM coverage, range(20000)"
    )
    began_s = time.monotonic()
    assert check("--rules", own, "--write-baseline", tmp_path / "b.toml").code == 0
    assert len(entries_of(tmp_path / "b.toml")) == 20_000
    assert time.monotonic() - began_s < 30


def test_the_report_accepts_what_the_check_accepts(
    audit: Callable[..., Snapshot], webex_audit: Callable[..., Result], check: Check, tmp_path: Path
) -> None:
    audit(Simulation(crafted(two_way(4), two_way(3))))
    assert check("--write-baseline", tmp_path / "b.toml").code == 0
    config = tmp_path / "config.toml"
    config.write_text(f'[check]\nbaseline_file = "{tmp_path / "b.toml"}"\n')
    assert check("--config", config).code == 0
    at = ("--output", tmp_path / "out", "--file", tmp_path / "r.html")
    for arguments in (("--baseline", tmp_path / "b.toml"), ("--config", config)):
        assert webex_audit("report", *arguments, *at).code == 0
        page = (tmp_path / "r.html").read_text()
        assert "No open findings." in page
        assert page.count(UNOWNED) == 2
