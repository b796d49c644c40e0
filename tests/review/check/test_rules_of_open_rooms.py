"""Rules may read `open_rooms`, and the built-in rules agree with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crafted import POLICY, Audit, checked, result_of, statuses
from ways import ANSWERS, audited, organization, party, rows_of, target

from audit.snapshot.catalog import find_snapshot

ON = {"allowAutoAnswer": True}
HEADER = "-- title: t\n-- severity: high\n-- rationale: r\n-- remedy: r\n-- tables: open_rooms\n"
RULE = (
    "SELECT org_id, entity_type, entity_id, entity_name, location_name, concat_ws(', ', way, openers, device) "
    "AS detail FROM open_rooms\n"
)


def _with_rule(folder: Path, sql: str = RULE) -> Any:
    (folder / "rules").mkdir()
    (folder / "rules" / "own.sql").write_text(HEADER + sql)
    return msgspec.structs.replace(POLICY, rules_dir=str(folder / "rules"))


def test_a_rule_of_ones_own_reads_the_view(audit: Audit, tmp_path: Path) -> None:
    groups = [{"originators": [party("Ann")], "targets": [target(organization(), 2)]}]
    snapshot = audited(audit, organization({}, answers=[ANSWERS], groups=groups))
    found = result_of(checked(snapshot, _with_rule(tmp_path)), "own")
    assert {(each.entity_name, each.detail) for each in found.findings} == {
        ("Room 0", "answer_settings, whoever can dial it, not known"),
        ("Room 2", "paging, Ann, not known"),
    }
    assert found.unjudged is None


@pytest.mark.parametrize(
    ("datasets", "lacks"),
    [
        (["push-to-talk"], "answer settings were not read; paging groups were not read"),
        (["paging-groups"], "Push-to-Talk was not read; answer settings were not read"),
        (["push-to-talk", "answer-settings"], "paging groups were not read"),
    ],
)
def test_a_rule_over_ways_that_were_not_read_says_so(
    audit: Audit, tmp_path: Path, datasets: list[str], lacks: str
) -> None:
    snapshot = audited(audit, organization(), scope__datasets=datasets)
    found = result_of(checked(snapshot, _with_rule(tmp_path)), "own")
    assert lacks in (found.unjudged or "")


def test_a_rule_over_no_way_at_all_is_skipped_and_never_passed(audit: Audit, tmp_path: Path) -> None:
    snapshot = audited(audit, organization(), scope__datasets=["audio-options"])
    result = checked(snapshot, _with_rule(tmp_path))
    assert statuses(result)["own"] == "skipped"
    assert "needs --dataset push-to-talk or --dataset answer-settings" in (result_of(result, "own").reason or "")


@pytest.mark.parametrize(
    ("rule_id", "way", "is_found"),
    [
        ("two-way-auto-answer", "push_to_talk", lambda row: row["direction"] == "hears and speaks"),
        ("block-list-empty", "push_to_talk", lambda row: row["opened_by"] == "everyone"),
        ("answers-calls-by-itself", "answer_settings", lambda row: True),
    ],
)
@pytest.mark.slow
def test_the_built_in_rules_agree_with_the_view(
    audit: Audit, once: Callable[..., Path], rule_id: str, way: str, is_found: Any
) -> None:
    of = organization(
        ON | {"connectionType": "TWO_WAY"},
        ON | {"connectionType": "TWO_WAY", "members": []},
        ON | {"accessType": "BLOCK_MEMBERS", "members": []},
        ON,
        {"connectionType": "TWO_WAY"},
        answers=[ANSWERS, {}, ANSWERS, {}, ANSWERS],
    )
    snapshot = find_snapshot(once(lambda: audited(audit, of)), "latest")
    found = {each.entity_id for each in result_of(checked(snapshot), rule_id).findings}
    assert found == {row["entity_id"] for row in rows_of(snapshot) if row["way"] == way and is_found(row)}
    assert found
    both = {each.entity_id for each in result_of(checked(snapshot), "open-microphone").findings}
    ways = [(row["entity_id"], row["way"]) for row in rows_of(snapshot)]
    assert both == {one for one, kind in ways if kind == "push_to_talk" and (one, "answer_settings") in ways}
