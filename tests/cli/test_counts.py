"""Every number stands with the right noun: of nothing, of one thing and of two, in all that the tool prints."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from harness import Result

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization

#: Words that end as a plural does: verbs beside one thing, and nouns.
_NOT_PLURAL = r"(?!is\b|was\b|has\b|does\b|address\b|status\b|access\b|this\b|as\b|less\b|its\b|across\b|\w+ed\b)"
_VERBS = r"(?!opens|answers|asks|breaks|differs|passes|finds|begins|ends|says|needs|lacks|hears|speaks|changes)"
_ONE = re.compile(
    rf"(?<![\w.,:/#+–-])1 (?:more |other )?{_NOT_PLURAL}{_VERBS}(?:[a-z-]+s|people|entities)\b(?! of 1\b)"
)
_NOUNS = (
    "account|address|answer|column|device|entity|error|event|exception|field|file|finding|item|line|location|member|"
    "minute|number|organization|page|person|phone|read|reason|request|room|row|rule|run|second|setting|snapshot|table|"
    "test|user|way|workspace"
)
_MANY = re.compile(rf"(?<![\w.,:/#+–-])(?:0|[2-9]|\d\d+) (?:more |other )?(?:{_NOUNS})\b(?!-)")
_TAGS = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]+>", re.DOTALL)


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.slow
def test_a_number_has_the_right_noun(
    size: int,
    api: Callable[[Simulation], str],
    webex_audit: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    of = Organization(size, 1, False, size, size)
    monkeypatch.setenv("WEBEX_AUDIT_BASE_URL", api(Simulation(of)))
    asks = [f"--dataset=all --admin-events {' '.join(f'--entity={each}' for each in ('workspace', 'person'))}"]
    lines = [
        *(f"run --dry-run {each}" for each in ["", *asks]),
        *(f"{command} {each}" for command in ("doctor", "run", "run") for each in asks),
        *("snapshots", "show", "verify", "diff", "query", "approve --reason r --by Ann", "run", "snapshots"),
        *(f"check {each}" for each in ("", "previous", "--format junit", "--severity info", "--write-baseline b.toml")),
        *("report --file r.html", "report previous --file p.html", "report --format csv --file -", "approve --list"),
        *("prune --keep-daily 1 --keep-last 1 --dry-run", "prune --keep-yearly 1", "prune --keep-weekly 2 --dry-run"),
    ]
    shown = {}
    for line in lines:
        result = webex_audit(*line.split())
        assert result.code in (0, 1), (line, result)
        shown[line] = result.out + result.err
    for page in tmp_path.glob("*.html"):
        shown[page.name] = unescape(_TAGS.sub("\n", page.read_text()))
    wrong = [
        f"{line}: …{text[max(found.start() - 40, 0) : found.end() + 20]}…"
        for line, text in shown.items()
        for pattern in (_ONE, _MANY)
        for found in pattern.finditer(text)
    ]
    assert not wrong, "\n".join(wrong)
