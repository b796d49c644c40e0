"""Differences as text, JSON and CSV, and the command that prints them."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from harness import Result, Where
from later import ANSWERED, PLAIN, Audit, edited, later, room, with_members

from audit.review.diff.change import Change
from audit.review.diff.compare import compare
from audit.review.diff.views import Tally, as_csv, as_json, as_text
from audit.simulator.app import Simulation
from audit.simulator.organization import Json


def test_text_is_grouped_by_room_in_plain_words_and_counted_at_the_end(audit: Audit) -> None:
    index, other, lost = (each for each in ANSWERED[:3])

    def edit(answer: Json) -> None:
        answer["allowAutoAnswer"] = not answer["allowAutoAnswer"]
        answer["members"] = [{**PLAIN.member(0), "displayName": "\x1b[31mMallory\u202e", "id": "x"}]

    before = audit(Simulation(later(edits=((index, lambda answer: answer.update(members=[])),))))
    after = audit(
        Simulation(later(edits=((index, edit),), refused=(other,)), Where("500", room(lost))), retry__attempts=1
    )
    lines = list(as_text(before, after, compare(before, after), Tally()))
    text = "\n".join(lines)
    was = PLAIN.push_to_talk(index)["allowAutoAnswer"]
    assert f"  auto-answer: {'yes → no' if was else 'no → yes'}" in lines
    assert any(line.startswith("  member \\x1b[31mMallory\\u202e added: +") for line in lines)
    assert "  Push-to-Talk settings: unknown (old: ok; new: server_error)" in lines
    assert "any more): " in text
    headings = [line for line in lines if line.startswith("\n")]
    assert len(headings) == 3
    assert all(line.endswith(" (workspace)") for line in headings)
    gone = len(PLAIN.push_to_talk(other)["members"])
    assert lines[-1] == (f"2 rooms changed, 0 added, 0 removed; 1 member added, {gone} removed, 0 changed; 1 unknown")
    assert "\x1b" not in text
    assert list(as_text(before, before, compare(before, before), Tally()))[-1] == "no differences"


@pytest.mark.attack("spreadsheets and terminals")
def test_json_and_csv_hold_every_difference_and_csv_runs_no_formula(audit: Audit) -> None:
    index = with_members()
    evil = {"id": "=cmd", "displayName": '=HYPERLINK("http://evil")', "numbers": [{"external": "+14085267209"}]}
    before = audit(Simulation(PLAIN))
    after = audit(Simulation(edited(index, lambda answer: answer["members"].append(evil))))
    changes = list(compare(before, after))
    tally = Tally()
    found = json.loads("\n".join(as_json(before, after, changes, tally)))
    assert found["changes"] == [msgspec.to_builtins(each) for each in changes]
    assert (found["old"], found["new"]) == (before.manifest.snapshot_id, after.manifest.snapshot_id)
    assert found["summary"]["members"] == {"added": 1, "removed": 0, "changed": 0}
    (row,) = csv.DictReader(io.StringIO("\n".join(as_csv(changes, Tally()))))
    assert row["key"] == "'=cmd"
    assert row["key_name"] == '\'=HYPERLINK("http://evil")'
    assert row["new"] == "+14085267209"
    many = changes * 2500
    assert len(list(csv.DictReader(io.StringIO("\n".join(as_csv(many, Tally())))))) == 2500
    (header,) = csv.reader(as_csv([], Tally()))
    assert header[2:4] == ["org_id", "org_name"]
    assert sorted(header) == sorted(Change.__struct_fields__)


def test_the_command_prints_each_form_and_tells_differences_by_its_exit_code(
    audit: Audit, webex_audit: Callable[..., Result], tmp_path: Path
) -> None:
    index = ANSWERED[0]
    before = audit(Simulation(PLAIN))
    audit(Simulation(PLAIN, Where("500", room(index))), retry__attempts=1)
    at = ["--output", tmp_path / "out"]
    result = webex_audit("diff", "previous", "latest", *at)
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("1 unknown\n")
    assert webex_audit("diff", "previous", "latest", "--exit-code", *at).code == 1
    same = webex_audit("diff", before.manifest.snapshot_id, before.path, "--exit-code", *at)
    assert (same.code, same.out.splitlines()[-1]) == (0, "no differences")
    assert json.loads(webex_audit("diff", "previous", "latest", "--json", *at).out)["summary"]["differences"] == 1
    (row,) = csv.DictReader(io.StringIO(webex_audit("diff", "previous", "latest", "--csv", *at).out))
    assert (row["kind"], row["entity_id"]) == ("unknown", room(index))
    assert webex_audit("diff", "previous", "latest", "--csv", "--json", *at).code == 2
    assert webex_audit("diff", "previous", "nowhere", *at).code == 2
