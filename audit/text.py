"""Texts for people: what is safe to show, and what a mistyped name may have meant."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches


def printable(text: str) -> str:
    """The text with control characters escaped: names and messages come from outside, and a terminal obeys them.

    Escaped are the Unicode categories Cc (C0, C1), Cf (format: bidirectional marks, zero widths), Zl and Zp (line
    and paragraph separators) and Cs (surrogates).
    """
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") else char
        for char in text
    )


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "", cutoff: float = 0.6) -> str:
    """The end of a message about an unknown name: `; did you mean <the known name that is most like it>?`.

    Args:
        name: what was given.
        known: what is known.
        otherwise: the end where no known name is like it.
        cutoff: how alike the two must be, from 0 to 1 (`difflib.get_close_matches`).
    """
    nearest = get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"; did you mean {nearest[0]}?" if nearest else otherwise
