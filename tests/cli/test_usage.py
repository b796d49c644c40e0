"""What a wrong command line says."""

from collections.abc import Callable

import pytest
from harness import Result


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("run --max-rate fast", "--max-rate 'fast': expected a number"),
        ("run --concurrency 1.5", "--concurrency '1.5': expected a whole number"),
        ("simulate --seed x", "--seed 'x': expected a whole number"),
        ("prune --keep-last many", "--keep-last 'many': expected a whole number"),
        ("prune --keep-last 0", "--keep-last 0: must be at least 1"),
        ("simulate --port 99999", "--port 99999: must be at least 0 and at most 65535"),
        ("simulate --rate-limit 0", "--rate-limit 0.0: must be more than 0 and at most 1000000"),
        ("run --entity room", "--entity: 'room' is none of workspace, person, virtual-line"),
        ("run --format xlsx", "--format: 'xlsx' is none of parquet, csv"),
        ("check --fail-on worst", "--fail-on: 'worst' is none of critical, high, medium, low, info"),
        (
            "check --severity hihg",
            "--severity: 'hihg' is none of critical, high, medium, low, info; did you mean high?",
        ),
        ("run --max-rte 1", "there is no option --max-rte; did you mean --max-rate?"),
        ("show --zzz", "there is no option --zzz: 'webex-audit show --help' shows the usage"),
        ("chekc", "there is no command 'chekc'; did you mean check?"),
        ("diff a b c", "unexpected argument 'c': 'webex-audit diff --help' shows the usage"),
        ("run --output", "--output needs a value"),
        ("run --quiet=1", "--quiet takes no value"),
    ],
)
def test_a_wrong_command_line_is_one_line_in_our_own_words(
    arguments: str, line: str, webex_audit: Callable[..., Result]
) -> None:
    result = webex_audit(*arguments.split())
    assert (result.code, result.out, result.err) == (2, "", f"webex-audit: error: {line}\n")
