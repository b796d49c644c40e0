"""Texts for people: safe to show, and suggestions for mistyped names."""

import json
import unicodedata
from collections.abc import Callable, Iterable
from difflib import get_close_matches


def printable(text: str) -> str:
    """The text with control characters escaped: a terminal would obey those in names and messages from outside.

    The function escapes the Unicode categories Cc (C0, C1), Cf (format: bidirectional marks, zero widths), Zl and Zp
    (line and paragraph separators) and Cs (surrogates).
    """
    return _escaped(text, lambda char: char.encode("unicode_escape").decode())


def printable_lines(text: str) -> str:
    """As `printable`, but line feeds stay."""
    return "\n".join(line if line.isprintable() else printable(line) for line in text.split("\n"))


def printable_json(text: str) -> str:
    r"""JSON with the same characters escaped as JSON does (`\u202e`), so that it means the same."""
    return "\n".join(line if line.isprintable() else _escaped(line, _json_escape) for line in text.split("\n"))


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(
        escape(char) if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") else char for char in text
    )


def _json_escape(char: str) -> str:
    return json.dumps(char)[1:-1]


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 room`, `2,000 rooms`, `3 entities`.

    Args:
        number: how many.
        noun: for one of them.
        plural: for any other number; the noun with an `s` by default.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


#: Units of time with their seconds, from the longest; each is used from one and a half of it on.
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def duration_of(seconds: float) -> str:
    """A duration, rounded: `40 seconds`, `12 minutes`, `5 hours`, `3 days`; less than a second is `1 second`."""
    unit, length = next((each for each in _UNITS if seconds >= 1.5 * each[1]), ("second", 1))
    return count_of(max(int(seconds > 0), round(seconds / length)), unit)


#: A shorter text is not meant as a part of a name.
_LEAST_PART = 3
#: The plurals of nouns that take no `s`.
_PLURALS = {"person": "people"}


def noun_of(word: str) -> str:
    """The noun for a word of the tables, such as a kind of entity: `virtual line` for `VIRTUAL_LINE`."""
    return word.lower().replace("_", " ")


def plural_of(word: str) -> str:
    """The plural of `noun_of`."""
    noun = noun_of(word)
    return _PLURALS.get(noun, f"{noun}s")


def without_id(items: int, kind: str) -> str:
    """The sentence about listed items that have no usable id: `2 listed workspaces have no usable id`.

    Args:
        items: how many.
        kind: the kind of entity that is listed, as in the tables.
    """
    return f"{count_of(items, f'listed {noun_of(kind)} has', f'listed {plural_of(kind)} have')} no usable id"


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "", cutoff: float = 0.6, before: str = "") -> str:
    """The end of a message about an unknown name: `; did you mean <the most similar known name>?`.

    Case, `_` for `-` and dashes at the beginning do not count: two options are not similar because both have dashes.

    Args:
        name: the unknown name.
        known: the known names.
        otherwise: the end if no known name is similar.
        cutoff: how similar the names must be, from 0 to 1 (`difflib.get_close_matches`).
        before: stands before the name that is shown.
    """
    by_plain = {_plain(each): each for each in known}
    wanted = _plain(name)
    nearest = _only(wanted, by_plain) or get_close_matches(wanted, by_plain, n=1, cutoff=cutoff)
    return f"; did you mean {before}{by_plain[nearest[0]]}?" if nearest else otherwise


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").lstrip("-")


def _only(wanted: str, known: Iterable[str]) -> list[str]:
    """The only name that begins with the text, or has it as one of its words."""
    if len(wanted) < _LEAST_PART:
        return []
    names = [*known]
    begins = [each for each in names if each.startswith(wanted)]
    holds = [each for each in names if wanted in each.split("-")]
    return next((found for found in (begins, holds) if len(found) == 1), [])
