"""Controls: what a rule's header may name, and where each format shows that a rule supports evidence for them."""

import re
from pathlib import Path

import pytest

from audit.errors import UsageError
from audit.review.check.controls import FRAMEWORKS, REMOTE_ACTIVATION, Control, controls_text, in_order, parse_controls
from audit.review.check.rules import load_rules

HEADER = "-- title: T\n-- severity: low\n-- rationale: R\n-- remedy: M\n-- tables: push_to_talk\n"
ROOMS = "SELECT org_id, entity_type, entity_id, entity_name, location_name, 'it is' AS detail FROM push_to_talk\n"


def loaded(folder: Path, controls: str) -> tuple[Control, ...]:
    (folder / "mine.sql").write_text(f"{HEADER}{controls}{ROOMS}")
    (rule,) = [each for each in load_rules(str(folder)) if each.rule_id == "mine"]
    return rule.controls


def test_every_built_in_rule_names_the_controls_that_it_supports_evidence_for() -> None:
    rules = load_rules()
    assert [rule.rule_id for rule in rules if not rule.controls] == []
    of_remote_activation = {rule.rule_id for rule in rules if REMOTE_ACTIVATION in rule.controls}
    assert of_remote_activation >= {"two-way-auto-answer", "block-list-empty"}
    for rule in rules:
        assert parse_controls(controls_text(rule.controls)) == rule.controls


def test_a_framework_has_a_publisher_and_accepts_its_own_example() -> None:
    for name, framework in FRAMEWORKS.items():
        assert framework.name == name
        assert framework.version
        assert framework.url.startswith("https://")
        assert re.fullmatch(framework.pattern, framework.example)


def test_sc_15_comes_first_and_numbers_count_as_numbers() -> None:
    text = "HIPAA 164.308(a)(4); NIST-800-53 IA-5(10), IA-5(2), AC-12, AC-3, SC-15; SOC2 CC6.1"
    assert [each.id for each in in_order(parse_controls(text))] == [
        "SC-15", "AC-3", "AC-12", "IA-5(2)", "IA-5(10)", "CC6.1", "164.308(a)(4)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-- controls: NIST-800-53 SC-15, AC-3; SOC2 CC6.1\n", "NIST-800-53 SC-15, AC-3; SOC2 CC6.1"),
        ("-- controls:  HIPAA   164.308(a)(3)(ii)(C) ;\n--   ISO-27001 A.8.34 , A.5.1\n",
         "ISO-27001 A.8.34, A.5.1; HIPAA 164.308(a)(3)(ii)(C)"),
        ("-- controls: NIST-800-53 AC-2(13); NIST-800-171 3.14.7\n", "NIST-800-53 AC-2(13); NIST-800-171 3.14.7"),
        ("", ""),
    ],
)  # fmt: skip
def test_an_own_rule_may_name_controls_and_need_not(line: str, expected: str, tmp_path: Path) -> None:
    assert controls_text(loaded(tmp_path, line)) == expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("NIST-800-35 SC-15", r"the unknown framework 'NIST-800-35'; did you mean NIST-800-53\?$"),
        ("PCI 8.3.1", "the unknown framework 'PCI'; expected one of NIST-800-53, NIST-800-171, ISO-27001, SOC2, "),
        ("NIST-800-53 SC-15; ", "the unknown framework ''; expected one of NIST-800-53"),
        ("", "the unknown framework ''; expected one of NIST-800-53"),
        ("NIST-800-53", "'', not an id of NIST-800-53 such as SC-15$"),
        ("NIST-800-53 SC-15,, AC-3", "'', not an id of NIST-800-53 such as SC-15$"),
        ("NIST-800-53 SC15", "'SC15', not an id of NIST-800-53 such as SC-15$"),
        ("NIST-800-53 sc-15", "'sc-15', not an id of NIST-800-53 such as SC-15$"),
        ("NIST-800-53 XX-1", "'XX-1', not an id of NIST-800-53 such as SC-15$"),
        ("NIST-800-53 SC-15 AC-3", "'SC-15 AC-3', not an id of NIST-800-53 such as SC-15$"),
        ("NIST-800-171 03.13.12", "'03.13.12', not an id of NIST-800-171 such as 3.13.12$"),
        ("ISO-27001 A.5.38", "'A.5.38', not an id of ISO-27001 such as A.5.15$"),
        ("SOC2 CC6", "'CC6', not an id of SOC2 such as CC6.1$"),
        ("HIPAA 164.310(c", r"'164.310\(c', not an id of HIPAA such as 164.310\(c\)$"),
        ("NIST-800-53 SC-15, AC-3, SC-15", "NIST-800-53 SC-15 twice$"),
        ("NIST-800-53 SC-15; SOC2 CC6.1; NIST-800-53 SC-15", "NIST-800-53 SC-15 twice$"),
        ("NIST-800-53 SC-15\x1b[31m", r"'SC-15\\x1b\[31m', not an id of NIST-800-53"),
    ],
)  # fmt: skip
def test_controls_that_are_wrong_are_named_with_file_and_line(line: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"mine\.sql:6: controls name {complaint}") as caught:
        loaded(tmp_path, f"-- controls: {line}\n")
    assert str(caught.value).isprintable()
