"""Reads the bodies of answers: JSON in the shapes that the API is known to send, despite their defects."""

import re
from typing import Any

import msgspec

from audit.errors import words_of
from audit.redaction import redact
from audit.untrusted.decoding import UndecodableError, json_of, raw_json

_MAX_MESSAGE = 500
_MAX_CODE = 20
_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_CODE = re.compile(r"(?:WXC-)?([0-9]{1,9})", re.IGNORECASE)
#: Matches an error that a text quotes: ``[Error 4008] User not found`` of an upstream service, or ``WXC-25409: …``.
_CODE_IN_TEXT = re.compile(r"\[Error ([0-9]{1,9})\]|\bWXC-([0-9]{1,9})\b", re.IGNORECASE)
_FIRST_KEY = re.compile(rb'\{\s*"([A-Za-z]*)"')
_MESSAGE_KEYS = frozenset({"message", "description", "errorMessage", "error_description"})
_CODE_KEYS = frozenset({"errorCode", "code"})
_LISTS = frozenset({"errors", "error"})
#: An object with no other keys is an error, whatever its status says.
_ERROR_KEYS = _MESSAGE_KEYS | _CODE_KEYS | {"errors", "error", "trackingId"}


def read_body(body: bytes) -> bytes:
    """Turn the body of an answer into a JSON object in UTF-8 that any parser accepts.

    A byte order mark is dropped (RFC 8259, section 8.1), and an unpaired surrogate becomes U+FFFD.

    Raises:
        ValueError: the body is not a JSON object; the text says why.
    """
    body = body.removeprefix(_BOM)
    try:
        if not body.isascii():
            body.decode("utf-8")
        content = raw_json(body)
    except UnicodeDecodeError:
        raise ValueError("the answer is not UTF-8") from None
    except RecursionError:
        raise ValueError("the answer is nested too deep") from None
    except ValueError as error:
        what = kind_of(body)
        raise ValueError(f"the answer is {what}" if what != "JSON" else f"the answer: {words_of(error)}") from None
    if not content.startswith(b"{"):
        raise ValueError("the answer is not a JSON object")
    return content


def kind_of(body: bytes) -> str:
    """What a body is, in words: `empty`, `an HTML page`, `JSON` or `text`."""
    begin = body.removeprefix(_BOM).lstrip()[:1]
    if not begin:
        return "empty"
    return "an HTML page" if begin == b"<" else "JSON" if begin in b"{[" or _is_json(body) else "text"


def _is_json(body: bytes) -> bool:
    try:
        json_of(body)
    except UndecodableError:
        return False
    return True


def body_object(body: bytes) -> dict[str, Any]:
    """The object in a body that `read_body` gave; empty if it is too deep, or holds too many values."""
    try:
        content = json_of(body)
    except UndecodableError:
        return {}
    return content if isinstance(content, dict) else {}


def page_items(body: bytes, key: str) -> list[Any] | None:
    """The items of a page of a listing; None if there is no list, which differs from an empty list."""
    items = body_object(body).get(key)
    return items if isinstance(items, list) else None


def page_error(body: bytes) -> str | None:
    """The words of an error that a page holds beside its list, so that items may be missing; None without an error."""
    if not (b'"message"' in body or b'"errors"' in body):
        return None
    content = body_object(body)
    said = {key: content[key] for key in ("message", "errors") if content.get(key)}
    return (_error_in(said).message or "errors without a text") if said else None


class ApiError(msgspec.Struct, frozen=True):
    """The content of an error body.

    Attributes:
        message: all messages in it, each once; None if there is none.
        codes: all error codes in it, also those that a text quotes.
        tracking_id: the API's name for the answer.
        is_own: the body has a shape of the API (webex-api.md 3.1), and not that of a gateway or proxy before it. Many
            of these have a `message`, too, but beside members that the API's errors do not have.
    """

    message: str | None = None
    codes: frozenset[int] = frozenset()
    tracking_id: str | None = None
    is_own: bool = False


def read_error(body: bytes) -> ApiError:
    """Read an error body. An HTML page, an empty body or text gives an empty `ApiError`."""
    try:
        content = json_of(body.decode("utf-8", "replace").encode())
    except UndecodableError:
        return ApiError()
    return _error_in(content)


def _error_in(content: Any) -> ApiError:
    found = _Found()
    found.collect(content)
    # Half a secret is not recognized any more, so the cut comes last.
    message = redact("; ".join(dict.fromkeys(found.messages)))[:_MAX_MESSAGE]
    tracking_id = found.tracking_ids[0] if found.tracking_ids else None
    return ApiError(message or None, frozenset(found.codes), tracking_id, _is_own(content))


def _is_own(content: Any) -> bool:
    if isinstance(content, list):
        return any(isinstance(item, dict) and _is_filled(item.get("errors"), list) for item in content)
    return isinstance(content, dict) and (
        (_is_filled(content.get("message"), str) and content.keys() <= _ERROR_KEYS)
        or _is_filled(content.get("trackingId"), str)
        or _is_filled(content.get("errors"), list)
        or _is_filled(content.get("error"), list)
    )


def _is_filled(value: object, kind: type) -> bool:
    return isinstance(value, kind) and bool(value)


def read_mere_error(body: bytes) -> ApiError | None:
    """The error in a body that holds nothing else; None for any other body. Meant for bodies with status 200."""
    first = _FIRST_KEY.match(body)
    if first and first[1].decode() not in _ERROR_KEYS:
        return None
    content = body_object(body)
    error = read_error(body) if content.keys() <= _ERROR_KEYS else None
    return error if error and error.is_own else None


class _Found:
    """What the objects of an error body hold, at any depth."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.codes: set[int] = set()
        self.tracking_ids: list[str] = []

    def collect(self, node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                self.collect(item)
        elif isinstance(node, dict):
            for key, value in node.items():
                self._add(key, value)
        elif isinstance(node, str):
            self.codes |= {int(one or other) for one, other in _CODE_IN_TEXT.findall(node)}

    def _add(self, key: str, value: Any) -> None:
        if key in _MESSAGE_KEYS and isinstance(value, str):
            self.messages.append(value)
        elif key in _LISTS and isinstance(value, list):
            self.messages += [item for item in value if isinstance(item, str)]
        elif key in _CODE_KEYS and isinstance(value, (str, int)) and (code := _CODE.fullmatch(str(value)[:_MAX_CODE])):
            self.codes.add(int(code[1]))
        elif key == "trackingId" and isinstance(value, str):
            self.tracking_ids.append(value)
        self.collect(value)


def without_numbers(text: str) -> str:
    """Remove all numbers from a text, because any of them could be a PIN that an error quotes."""
    return re.sub(r"\d+", "…", text)


def clean(text: str | None) -> str | None:
    """Make a text fit for UTF-8: unpaired surrogates become U+FFFD."""
    return _SURROGATE.sub("\ufffd", text) if text else text
