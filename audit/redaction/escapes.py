r"""Decodes the escapes of a text layer by layer: `%2F`, `\u002f`, `\/`, `\x2f`, `&#x2F;`, `&sol;`, in any mixture."""

import html
import re
from collections.abc import Callable
from typing import Final, NamedTuple

#: Layers of escapes that are decoded, if there are as many.
_LAYERS: Final = 8
_HEX: Final = rb"[0-9a-fA-F]"
#: By its first character, what is an escape.
_KINDS: Final = {
    b"%": rb"%%%(h)b{2}",
    b"\\": rb"\\(?:[xX]%(h)b{2}|U00(?:0%(h)b|10)%(h)b{4}"
    rb"|[uU][dD][89abAB]%(h)b{2}\\[uU][dD][c-fC-F]%(h)b{2}|[uU]%(h)b{4}|(?s:.))",
    b"&": rb"&(?:#[xX]%(h)b{1,8}|#[0-9]{1,8}|[a-zA-Z]{2,31});?",
}
#: The same without what stands for a character beyond ASCII: a Japanese listing is full of it, and a token has none.
_ASCII_KINDS: Final = _KINDS | {
    b"\\": rb"\\(?:[xX][0-7]%(h)b|U000000[0-7]%(h)b|(?!U00(?:0%(h)b|10)%(h)b{4})[uU]00[0-7]%(h)b"
    rb"|(?![xX]%(h)b{2}|[uU]%(h)b{4})(?s:.))",
}
#: What may cut an escape, and is dropped before it is decoded.
LINE_ENDS: Final = b"\r\n"
#: Line ends as they are, and also those that JSON or Python has escaped.
PLAIN_ENDS: Final = re.compile(rb"[\r\n]+")
ALL_ENDS: Final = re.compile(rb"(?:[\r\n]|\\+(?:[rn]|[xX]0[aAdD]|[uU]000[aAdD]))+")
_CONTROLS: Final = dict(zip(b"nrtbfv", b"\n\r\t\b\f\v", strict=True))


class Layer(NamedTuple):
    """A text without some layers of its escapes, and for each byte where its place in the text begins and ends."""

    data: bytes
    starts: list[int]
    ends: list[int]


_Escape = re.Pattern[bytes]


class Escapes(NamedTuple):
    """What is an escape, of any kind and by its first character."""

    any: _Escape
    by_mark: dict[bytes, _Escape]


def _escapes(kinds: dict[bytes, bytes]) -> Escapes:
    by_mark = {mark: re.compile(pattern % {b"h": _HEX}) for mark, pattern in kinds.items()}
    return Escapes(re.compile(b"|".join(kind.pattern for kind in by_mark.values())), by_mark)


#: All escapes.
ALL: Final = _escapes(_KINDS)
#: Those that are needed to find a text that is ASCII.
ASCII: Final = _escapes(_ASCII_KINDS)


def decoded(data: bytes, escape: _Escape, ends: _Escape = PLAIN_ENDS) -> list[bytes]:
    """The text, and the text after each layer of escapes. Line ends go first, because they may cut an escape."""
    layers = [data]
    for _ in range(_LAYERS):
        whole = data.translate(None, LINE_ENDS) if ends is PLAIN_ENDS else ends.sub(b"", data)
        data = escape.sub(_meaning, whole)
        if data == layers[-1]:
            break
        layers += [whole, data]
    return layers


def placed(data: bytes, escape: _Escape, ends: _Escape = PLAIN_ENDS) -> list[Layer]:
    """As `decoded`, with the places in the text; takes much longer."""
    layers = [Layer(data, [*range(len(data))], [*range(1, len(data) + 1)])]
    for _ in decoded(data, escape, ends)[1::2]:
        layers.append(_peeled(layers[-1], ends, lambda _: b""))
        layers.append(_peeled(layers[-1], escape, _meaning))
    return layers


def _peeled(layer: Layer, escape: _Escape, meaning_of: Callable[[re.Match[bytes]], bytes]) -> Layer:
    """The next layer."""
    at, parts, starts, ends = 0, list[bytes](), list[int](), list[int]()
    for found in escape.finditer(layer.data):
        begin, end = found.span()
        meaning = meaning_of(found)
        parts += [layer.data[at:begin], meaning]
        starts += layer.starts[at:begin] + [layer.starts[begin]] * len(meaning)
        ends += layer.ends[at:begin] + [layer.ends[end - 1]] * len(meaning)
        at = end
    return Layer(b"".join([*parts, layer.data[at:]]), starts + layer.starts[at:], ends + layer.ends[at:])


def _meaning(escape: re.Match[bytes]) -> bytes:
    """What an escape stands for."""
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
            return bytes_of(html.unescape(text.decode()))
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


def bytes_of(text: str) -> bytes:
    """The bytes of a text: those that Python could not decode as they were; another lone surrogate is lost."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
