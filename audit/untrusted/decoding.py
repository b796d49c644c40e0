"""Decodes documents from outside, whatever their size, depth and content: the only error is `UndecodableError`."""

import json
import re
import tomllib
from typing import Any, TypeVar, overload

import msgspec

from audit.errors import words_of
from audit.untrusted.bounds import DEPTH, VALUES

_Kind = TypeVar("_Kind")
_Class = TypeVar("_Class", bound=type)

_BOM = b"\xef\xbb\xbf"
_RAW = msgspec.json.Decoder(msgspec.Raw)
#: An escape in a JSON text: a pair of surrogates, a surrogate without its other half, or any other.
_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
#: Python refuses to make an integer of more than 4,300 digits.
_MAX_DIGITS = 1000


def prepared(kind: _Class) -> _Class:
    """Analyse a class that msgspec decodes, now: two threads that are the first to use it at once crash the process.

    Args:
        kind: the class, below all classes that its fields name.
    """
    msgspec.json.Decoder(kind)
    return kind


class UndecodableError(ValueError):
    """A document can't be decoded; the text says why, in our own words."""


@overload
def json_of(data: bytes) -> Any: ...
@overload
def json_of(data: bytes, kind: type[_Kind], *, most: int = VALUES) -> _Kind: ...
@overload
def json_of(data: bytes, *, most: int = VALUES) -> Any: ...
def json_of(data: bytes, kind: Any = Any, *, most: int = VALUES) -> Any:
    """Decode JSON. A number that is too large for a float is infinite, and an unpaired surrogate becomes U+FFFD.

    Args:
        data: the document, with or without a byte order mark.
        kind: the type of the result.
        most: the most values that it may hold.

    Raises:
        UndecodableError: the document is not JSON in UTF-8, not of this type, too deep, or holds too many values.
    """
    if may_hold_more(data, most):
        raise UndecodableError(f"it holds more than {most:,} values")
    try:
        content = _builtins(data.removeprefix(_BOM))
        check_depth(content)
        return content if kind is Any else msgspec.convert(content, kind)
    except UndecodableError:
        raise
    except RecursionError:
        raise UndecodableError(f"it is nested deeper than {DEPTH} levels") from None
    except UnicodeError:
        raise UndecodableError("it is not UTF-8") from None
    except msgspec.ValidationError as error:
        raise UndecodableError(words_of(error)) from None
    except ValueError:
        raise UndecodableError("it is not JSON") from None


def toml_of(text: str) -> dict[str, Any]:
    """Decode TOML.

    Raises:
        UndecodableError: the text is not TOML, or too deep.
    """
    try:
        content = tomllib.loads(text)
        check_depth(content)
    except RecursionError:
        raise UndecodableError(f"it is nested deeper than {DEPTH} levels") from None
    except tomllib.TOMLDecodeError as error:
        raise UndecodableError(words_of(error)) from None
    except UndecodableError:
        raise
    except ValueError:
        # A date that no calendar has, or a number of too many digits.
        raise UndecodableError("it holds a number or a date that is out of range") from None
    return content


def raw_json(data: bytes) -> bytes:
    """A JSON document without white space around it, in which all surrogates are paired.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deep for the parser.
    """
    try:
        return bytes(_RAW.decode(data))
    except msgspec.DecodeError:
        # msgspec refuses unpaired surrogates, which JSON allows.
        return bytes(_RAW.decode(_paired(data)))


def _paired(data: bytes) -> bytes:
    """The same document with U+FFFD for each unpaired surrogate; `re.sub` would need many times its memory."""
    paired, end = bytearray(), 0
    for escape in _ESCAPE.finditer(data):
        if escape[2]:
            paired += data[end : escape.start()]
            paired += rb"\ufffd"
            end = escape.end()
    return bytes(paired + data[end:]) if end else data


def _builtins(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except ValueError:
        # Python also takes NaN, which must not cost a grant its new refresh token.
        return json.loads(_paired(data).decode(), parse_int=_number)


def _number(digits: str) -> float:
    return int(digits) if len(digits) < _MAX_DIGITS else float(digits)


def may_hold_more(data: bytes, most: int) -> bool:
    """Whether a JSON document may hold more values than this. Its texts may hold separators too, so some hold fewer."""
    return len(data) > most and data.count(b",") + data.count(b"[") + data.count(b"{") >= most


def check_depth(content: object) -> None:
    """Check that decoded content is not nested too deep, without a recursion.

    Raises:
        UndecodableError: it is.
    """
    level = [content]
    for _ in range(DEPTH):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise UndecodableError(f"it is nested deeper than {DEPTH} levels")
