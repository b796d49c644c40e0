r"""Knows every secret of the process, and removes them from each text that leaves it.

Whoever reads a secret calls `learn`; whoever lets a text out calls `redact`. A server may echo a secret in any
encoding, so a text is searched as it is, and again after each layer of escapes is decoded: `%2F`, `\u002f`, `\/`,
`\x2f`, `&#x2F;`, `&sol;`, in any order and mixture, also twice or more. Neither case nor line ends hide a secret.
Base64 is searched for at each of its three alignments, and hex as well.

A short secret would turn every text into holes, which would show it. So a secret of fewer than 6 characters is
removed only where it is a whole word, and not alone if it has fewer than 4. With its user, a password is longer
(`learn_login`).
"""

import logging
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from audit.redaction.escapes import (
    ALL,
    ALL_ENDS,
    ASCII,
    LINE_ENDS,
    PLAIN_ENDS,
    Escapes,
    Layer,
    bytes_of,
    decoded,
    placed,
)

#: Stands in place of a secret.
PLACEHOLDER: Final = "[secret]"
_SHORTEST: Final = 4
_SHORTEST_IN_WORDS: Final = 6
#: A long text is searched in windows, so that memory stays small. They overlap by more than an escaped secret.
_WINDOW: Final = 1 << 18
_OVERLAP: Final = 1 << 16
#: After this many places, the rest of the text is removed.
_MOST_SPANS: Final = 20_000

_BASE64: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")


class _Needle(NamedTuple):
    """What to look for, in lower case.

    Attributes:
        data: the bytes.
        is_base64: the base64 around it belongs to it.
        is_echoed: the API has got the secret, so that its answers may hold it.
    """

    data: bytes
    is_base64: bool
    is_echoed: bool


_Span = tuple[int, int]


class _Secrets:
    """The secrets of the process, as what to look for."""

    def __init__(self) -> None:
        self.known: set[tuple[str, bool]] = set()
        #: Replaced as a whole: another thread may be searching.
        self.needles: tuple[_Needle, ...] = ()


_SECRETS = _Secrets()


def learn(secret: str | None, *, is_echoed: bool = False) -> None:
    """Remember a secret from now on.

    Args:
        secret: the secret; None and an empty text are none.
        is_echoed: the API gets the secret, so that its answers may hold it (`redact_answer`).
    """
    if secret and (secret, is_echoed) not in _SECRETS.known:
        _SECRETS.known.add((secret, is_echoed))
        _SECRETS.needles = tuple(dict.fromkeys((*_SECRETS.needles, *_needles_of(secret, is_echoed=is_echoed))))


def learn_login(user: str, password: str) -> None:
    """Remember a password, alone and with its user, as Basic authentication sends it. The user alone is not secret."""
    if password:
        learn(password)
        learn(f"{user}:{password}")


def forget_all() -> None:
    """Forget all secrets. A test needs it, because many tests share a process."""
    _SECRETS.known, _SECRETS.needles = set(), ()


def redact(text: str) -> str:
    """The text without the secrets of the process; the same object if it holds none."""
    needles = _SECRETS.needles
    if not needles or not text:
        return text
    data = bytes_of(text)
    redacted = _redacted(data, needles)
    return text if redacted is data else redacted.decode("utf-8", "surrogateescape")


def redact_answer(body: bytes) -> bytes:
    """A body of the API without the secrets that the API got. Other secrets may be plain words of a name, and stay."""
    needles = tuple(each for each in _SECRETS.needles if each.is_echoed)
    return _redacted(body, needles) if needles else body


class Record(logging.LogRecord):
    """A log record that shows no secret to any handler, not even in its traceback (`logging.setLogRecordFactory`)."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        if self.exc_info:
            # The formatters of Python show this text if there is one.
            self.exc_text = redact(logging.Formatter().formatException(self.exc_info))

    def getMessage(self) -> str:  # noqa: N802 - the name of logging
        """The message."""
        return redact(super().getMessage())


def _redacted(data: bytes, needles: tuple[_Needle, ...]) -> bytes:
    escapes = ASCII if all(needle.data.isascii() for needle in needles) else ALL
    found: list[_Span] = []
    for begin in range(0, max(len(data) - _OVERLAP, 1), _WINDOW):
        window = data[begin : begin + _WINDOW + _OVERLAP]
        found += ((begin + start, begin + end) for start, end in _spans(window, needles, escapes))
        if len(found) > _MOST_SPANS and begin + _WINDOW < len(data):
            # Nobody but an attacker repeats a secret so often: what follows is not worth the memory.
            found.append((begin + _WINDOW, len(data)))
            break
    spans = _merged(found)
    if not spans:
        return data
    ends = [(0, 0), *((_before_backslashes(data, start), end) for start, end in spans), (len(data), 0)]
    return PLACEHOLDER.encode().join(data[end:start] for (_, end), (start, _) in pairwise(ends))


def _before_backslashes(data: bytes, start: int) -> int:
    """Where the backslashes before a place begin. Without its second half, an escape would damage JSON."""
    return len(data[:start].rstrip(b"\\")) if data[start - 1 : start] == b"\\" else start


def _merged(spans: Iterable[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _spans(data: bytes, needles: Iterable[_Needle], escapes: Escapes) -> Iterator[_Span]:
    """Where secrets stand in a text."""
    whole = data.translate(None, LINE_ENDS)
    kinds = [kind for mark, kind in escapes.by_mark.items() if mark in whole and kind.search(whole)]
    # Each kind alone, too: what only looks like an escape of another kind may hide the begin of a secret. So may a line
    # end that JSON has escaped, if it cuts an escape.
    ways = [(escape, PLAIN_ENDS) for escape in (escapes.any, *kinds)] if len(kinds) > 1 else [(escapes.any, PLAIN_ENDS)]
    ways += [(escapes.any, ALL_ENDS)] if len(kinds) > 1 and ALL_ENDS.search(whole) else []
    for escape, ends in ways:
        layers = decoded(data, escape, ends) if kinds else [data, whole] if whole != data else [data]
        if any(needle.data in lowered for lowered in map(bytes.lower, layers) for needle in needles):
            for layer in placed(data, escape, ends):
                yield from (_whole(data, span) for needle in needles for span in _found(layer, needle))


def _whole(data: bytes, span: _Span) -> _Span:
    """The span, or that of the placeholder which holds it: `secret` may be a password."""
    start, end = span[0] - 1, span[1] + 1
    return (start, end) if data[max(start, 0) : end] == PLACEHOLDER.encode() else span


def _found(layer: Layer, needle: _Needle) -> Iterator[_Span]:
    lowered, size = layer.data.lower(), len(needle.data)
    first = lowered.find(needle.data)
    while first >= 0:
        start, end = first, first + size
        is_part = lowered[max(start - 1, 0) : start].isalnum() or lowered[end : end + 1].isalnum()
        while needle.is_base64 and start and layer.data[start - 1] in _BASE64:
            start -= 1
        while needle.is_base64 and end < len(layer.data) and layer.data[end] in _BASE64:
            end += 1
        if size >= _SHORTEST_IN_WORDS or not is_part:
            yield layer.starts[start], layer.ends[end - 1]
        first = lowered.find(needle.data, max(first + 1, end if needle.is_base64 else 0))


def _needles_of(secret: str, *, is_echoed: bool) -> Iterator[_Needle]:
    """What to look for, for one secret: as it is, with its own escapes decoded, in base64 and in hex."""
    forms = [form for text in (secret, secret.lower(), secret.upper()) for form in _forms(text)]
    for form in dict.fromkeys(
        layer for each in forms for escape in (ALL.any, *ALL.by_mark.values()) for layer in decoded(each, escape)
    ):
        if len(form) >= _SHORTEST:
            yield _Needle(form.lower(), is_base64=False, is_echoed=is_echoed)
    data = bytes_of(secret)
    if len(data) < _SHORTEST_IN_WORDS:
        return
    yield _Needle(data.hex().encode(), is_base64=False, is_echoed=is_echoed)
    for before in range(3):
        # Of the characters at both ends, some bits belong to what stands beside the secret.
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        inner = b64encode(bytes(before) + data)[first:last].lower()
        for each in (inner, inner.translate(bytes.maketrans(b"+/", b"-_"))):
            yield _Needle(each, is_base64=True, is_echoed=is_echoed)


def _forms(text: str) -> Iterator[bytes]:
    """The bytes of a text in the encodings that escapes are made of; in a form, `+` stands for a blank."""
    for each in (text, text.replace(" ", "+")):
        yield bytes_of(each)
        yield each.encode("latin-1", "ignore") if max(each, default="") <= "\xff" else bytes_of(each)
        yield each.encode("unicode_escape")
        # Python shows U+00A0 as `\xa0`, and a letter as it is.
        yield b"".join(
            bytes_of(char) if char.isprintable() or char > "\xff" else char.encode("latin-1") for char in each
        )
        if max(each, default="") > "\uffff":
            # In lower case, `\U0001F600` reads as `\u0001` and four digits.
            shown = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in each)
            yield from (each.encode("unicode_escape").lower(), bytes_of("".join(shown).lower()))
