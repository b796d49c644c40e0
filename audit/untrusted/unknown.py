"""Counts fields that no table has: their names come from outside, so few of them are kept, and no long ones."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from audit.untrusted.bounds import UNKNOWN_CHARS, UNKNOWN_NAMES

#: Stands for the fields beyond the first `UNKNOWN_NAMES`.
OTHERS = "(other fields)"
#: Stands for all unknown fields whose names do not look like names.
ODD_NAME = "(odd name)"
_NAME = re.compile(r"[A-Za-z_$@][A-Za-z0-9_$@:-]{0,63}")


def name_of_unknown(name: str) -> str:
    """The name of an unknown field if it looks like a name, else `ODD_NAME`: a manifest keeps no text from outside."""
    return name if _NAME.fullmatch(name) else ODD_NAME


def add_unknown(counts: Counter[str], path: str, count: int = 1) -> None:
    """Count a field by its path."""
    name = path if len(path) <= UNKNOWN_CHARS else f"{path[: UNKNOWN_CHARS - 1]}…"
    is_kept = name in counts or name == OTHERS or len(counts) - (OTHERS in counts) < UNKNOWN_NAMES
    counts[name if is_kept else OTHERS] += count


def sum_unknown(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of counts, sorted by name; of too many names, the first ones are kept."""
    total: Counter[str] = Counter()
    for part in parts:
        for name, count in sorted(part.items()):
            add_unknown(total, name, count)
    return dict(sorted(total.items()))
