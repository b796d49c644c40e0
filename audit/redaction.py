r"""Knows every secret of the process, and removes them from each text that leaves it.

Whoever reads a secret calls `learn`; whoever lets a text out calls `redact`. A server may echo a secret in any
encoding, so a text is searched as it is, and again after each layer of escapes is decoded: `%2F`, `\u002f`, `\/`,
`\x2f`, `&#x2F;`, `&sol;`, in any order and mixture, also twice or more. Neither case nor line ends hide a secret.
Base64 is searched for at each of its three alignments, and hex as well.

A short secret would turn every text into holes, which would show it. So a secret of fewer than 6 characters is
removed only where it is a whole word, and not alone if it has fewer than 4. With its user, a password is longer
(`learn_login`).
"""

import html
import logging
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

#: Stands in place of a secret.
PLACEHOLDER: Final = "[secret]"
_SHORTEST: Final = 4
_SHORTEST_IN_WORDS: Final = 6
#: Layers of escapes that are decoded, if there are as many.
_LAYERS: Final = 8
#: A long text is searched in windows, so that memory stays small. They overlap by more than an escaped secret.
_WINDOW: Final = 1 << 18
_OVERLAP: Final = 1 << 16

_HEX: Final = rb"[0-9a-fA-F]"
#: By its first character, what is an escape.
_KINDS: Final = {
    b"%": rb"%%%(h)b{2}",
    b"\\": rb"\\(?:[xX]%(h)b{2}|U000%(h)b{5}|[uU][dD][89abAB]%(h)b{2}\\[uU][dD][c-fC-F]%(h)b{2}|[uU]%(h)b{4}|(?s:.))",
    b"&": rb"&(?:#[xX]%(h)b{1,8}|#[0-9]{1,8}|[a-zA-Z]{2,31});?",
}
_BY_KIND: Final = {mark: re.compile(pattern % {b"h": _HEX}) for mark, pattern in _KINDS.items()}
_ANY: Final = re.compile(b"|".join(kind.pattern for kind in _BY_KIND.values()))
_LINE_END: Final = re.compile(rb"[\r\n]+")
_CONTROLS: Final = dict(zip(b"nrtbfv", b"\n\r\t\b\f\v", strict=True))
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


class _Layer(NamedTuple):
    """A text without some layers of its escapes, and for each byte where its place in the text begins and ends."""

    data: bytes
    starts: list[int]
    ends: list[int]


_Escape = re.Pattern[bytes]
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
    data = _bytes_of(text)
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


def _bytes_of(text: str) -> bytes:
    """The bytes of a text: those that Python could not decode as they were; another lone surrogate is lost."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _redacted(data: bytes, needles: Iterable[_Needle]) -> bytes:
    spans = _merged(
        (begin + start, begin + end)
        for begin in range(0, max(len(data) - _OVERLAP, 1), _WINDOW)
        for start, end in _spans(data[begin : begin + _WINDOW + _OVERLAP], needles)
    )
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


def _spans(data: bytes, needles: Iterable[_Needle]) -> Iterator[_Span]:
    """Where secrets stand in a text."""
    kinds = [kind for mark, kind in _BY_KIND.items() if mark in data and kind.search(data)]
    # Each kind alone, too: what only looks like an escape of another kind may hide the begin of a secret.
    for escape in (_ANY, *kinds) if len(kinds) > 1 else (_ANY,):
        is_plain = not kinds and b"\n" not in data and b"\r" not in data
        layers = [each.lower() for each in ([data] if is_plain else _decoded(data, escape))]
        if any(needle.data in each for each in layers for needle in needles):
            for layer in _placed(data, escape):
                yield from (_whole(data, span) for needle in needles for span in _found(layer, needle))


def _whole(data: bytes, span: _Span) -> _Span:
    """The span, or that of the placeholder which holds it: `secret` may be a password."""
    start, end = span[0] - 1, span[1] + 1
    return (start, end) if data[max(start, 0) : end] == PLACEHOLDER.encode() else span


def _found(layer: _Layer, needle: _Needle) -> Iterator[_Span]:
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


def _decoded(data: bytes, escape: _Escape) -> list[bytes]:
    """The text, and the text after each layer of escapes. Line ends go first, because they may cut an escape."""
    layers = [data]
    for _ in range(_LAYERS):
        whole = _LINE_END.sub(b"", data)
        data = escape.sub(_meaning, whole)
        if data == layers[-1]:
            break
        layers += [whole, data]
    return layers


def _placed(data: bytes, escape: _Escape) -> list[_Layer]:
    """As `_decoded`, with the places in the text; takes much longer."""
    layers = [_Layer(data, [*range(len(data))], [*range(1, len(data) + 1)])]
    for _ in _decoded(data, escape)[1::2]:
        layers.append(_peeled(layers[-1], _LINE_END))
        layers.append(_peeled(layers[-1], escape))
    return layers


def _peeled(layer: _Layer, escape: _Escape) -> _Layer:
    """The next layer."""
    at, parts, starts, ends = 0, list[bytes](), list[int](), list[int]()
    for found in escape.finditer(layer.data):
        begin, end = found.span()
        meaning = _meaning(found)
        parts += [layer.data[at:begin], meaning]
        starts += layer.starts[at:begin] + [layer.starts[begin]] * len(meaning)
        ends += layer.ends[at:begin] + [layer.ends[end - 1]] * len(meaning)
        at = end
    return _Layer(b"".join([*parts, layer.data[at:]]), starts + layer.starts[at:], ends + layer.ends[at:])


def _meaning(escape: re.Match[bytes]) -> bytes:
    """What an escape stands for; nothing for a line end."""
    text = escape[0]
    match text[:1]:
        case b"%":
            return bytes([int(text[1:], 16)])
        case b"\\" if len(text) == 2:
            return bytes([_CONTROLS.get(text[1], text[1])])
        case b"\\":
            return _of_backslash(text[1:].lower())
        case b"&" if text[1:2] == b"#":
            digits = text[2:].rstrip(b";").lower()
            return _character(int(digits.lstrip(b"x"), 16 if digits[:1] == b"x" else 10))
        case b"&":
            return _bytes_of(html.unescape(text.decode()))
    return b""


def _of_backslash(text: bytes) -> bytes:
    """What `xHH`, `uHHHH`, `uHHHHuHHHH` with a backslash each, or `UHHHHHHHH` stands for."""
    if text[:1] == b"x":
        return bytes([int(text[1:], 16)])
    if b"\\" in text:
        return bytes.fromhex(text.decode().replace("u", "").replace("\\", "")).decode("utf-16-be").encode()
    return _character(int(text[1:], base=16))


def _character(code: int) -> bytes:
    if 0xDC80 <= code <= 0xDCFF:  # Python shows a byte that it could not decode as a surrogate
        return bytes([code - 0xDC00])
    return chr(code).encode("utf-8", "replace") if code < 0x110000 else b"?"


def _needles_of(secret: str, *, is_echoed: bool) -> Iterator[_Needle]:
    """What to look for, for one secret: as it is, with its own escapes decoded, in base64 and in hex."""
    forms = [form for text in (secret, secret.lower(), secret.upper()) for form in _forms(text)]
    for form in dict.fromkeys(
        layer for each in forms for escape in (_ANY, *_BY_KIND.values()) for layer in _decoded(each, escape)
    ):
        if len(form) >= _SHORTEST:
            yield _Needle(form.lower(), is_base64=False, is_echoed=is_echoed)
    data = _bytes_of(secret)
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
        yield _bytes_of(each)
        yield each.encode("latin-1", "ignore") if max(each, default="") <= "\xff" else _bytes_of(each)
        yield each.encode("unicode_escape")
