"""The rules of the Webex API as pure functions, which turn status, headers and body into a meaning.

Sources: the official OpenAPI documents (webex/webex-openapi-specs, error statuses of every
operation) and RFC 9110 section 10.2.3 (`Retry-After`). Nothing here does I/O.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from audit.outcome import Outcome

#: The wait after a 429 without a usable time; other clients of this API wait as long.
DEFAULT_RETRY_AFTER_S = 5.0
#: The API has sent `Retry-After: 0` for a wait of less than a second.
MIN_RETRY_AFTER_S = 1.0
#: A wait of more than a week is a defect, and is ignored.
MAX_RETRY_AFTER_S = 7 * 86_400.0

_RETRYABLE = frozenset({423, 429})
#: Lasting errors of a server. All other 5xx may pass, including those without a standard, such as a gateway's 520.
_LASTING = frozenset({501, 505})
_NOT_A_CALLING_USER = 4008
_NOT_A_PROFESSIONAL_PLACE = 25409
_MAX_MESSAGE = 500
#: Matches ``ROUTERGW_<uuid>`` and ``<32 hexadecimal digits>_<milliseconds>``, for example.
_TRACKING_ID = re.compile(r"[A-Za-z_-]*[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(_[0-9]+)*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CODE = re.compile(r"[0-9]{1,9}")
#: Matches a quoted error of an upstream service, such as ``[Error 4008] User not found``.
_CODE_IN_TEXT = re.compile(r"\[Error ([0-9]{1,9})\]")


_RAW = msgspec.json.Decoder(msgspec.Raw)


class Verdict(msgspec.Struct, frozen=True):
    """The meaning of an answer of the API. An outcome `ok` comes with the body, as `read_body` gives it."""

    outcome: Outcome
    is_retryable: bool = False
    message: str | None = None
    tracking_id: str | None = None
    body: bytes = b""


def judge(status: int, headers: Mapping[str, str], body: bytes, *, has_pins: bool = False) -> Verdict:
    """The meaning of an answer to a read.

    Args:
        status: the HTTP status.
        headers: the headers, with names in upper or lower case.
        body: the body.
        has_pins: the body may hold a PIN, so the message loses its numbers.
    """
    tracking_id = _checked_id(headers.get("trackingid"), has_pins=has_pins)
    if status == 200:
        try:
            return Verdict(Outcome.OK, tracking_id=tracking_id, body=read_body(body))
        except ValueError as defect:
            return Verdict(Outcome.INVALID_RESPONSE, True, str(defect), tracking_id)
    error = read_error(body)
    message = without_numbers(error.message) if error.message and has_pins else error.message
    return Verdict(
        _outcome_of(status, error.codes),
        status in _RETRYABLE or (status // 100 == 5 and status not in _LASTING),
        message or f"HTTP {status} without a message",
        tracking_id or _checked_id(error.tracking_id, has_pins=has_pins),
    )


def _checked_id(text: str | None, *, has_pins: bool) -> str | None:
    """A tracking id; if a PIN could stand in its place, only an id of a known form."""
    return clean(text) if text and (not has_pins or _TRACKING_ID.fullmatch(text)) else None


def without_numbers(text: str) -> str:
    """Remove all numbers from a text, because any of them could be a PIN that an error quotes."""
    return re.sub(r"\d+", "…", text)


def clean(text: str | None) -> str | None:
    """Make a text fit for UTF-8: unpaired surrogates become U+FFFD."""
    return _SURROGATE.sub("\ufffd", text) if text else text


_OUTCOME_OF_STATUS = {
    401: Outcome.FORBIDDEN,
    403: Outcome.FORBIDDEN,
    404: Outcome.NOT_FOUND,
    410: Outcome.NOT_FOUND,
    423: Outcome.THROTTLED,
    429: Outcome.THROTTLED,
}
_OUTCOME_OF_CLASS = {4: Outcome.BAD_REQUEST, 5: Outcome.SERVER_ERROR}


def _outcome_of(status: int, codes: frozenset[int]) -> Outcome:
    if (status == 405 and _NOT_A_PROFESSIONAL_PLACE in codes) or (status == 404 and _NOT_A_CALLING_USER in codes):
        return Outcome.NOT_LICENSED
    by_class = _OUTCOME_OF_CLASS.get(status // 100, Outcome.INVALID_RESPONSE)
    return _OUTCOME_OF_STATUS.get(status, by_class)


def read_body(body: bytes) -> bytes:
    """Turn the body of a 200 into a JSON object in UTF-8 that any parser accepts.

    Raises:
        ValueError: the body is not a JSON object; the text says why.
    """
    try:
        if not body.isascii():
            body.decode("utf-8")
        try:
            content = bytes(_RAW.decode(body))
        except msgspec.DecodeError:
            # msgspec refuses unpaired surrogates, which JSON allows: the standard library decides.
            value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
            content = (clean(json.dumps(value, ensure_ascii=False, allow_nan=False)) or "").encode()
    except UnicodeDecodeError:
        raise ValueError("the answer is not UTF-8") from None
    except RecursionError:
        raise ValueError("the answer is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"the answer is not JSON: {error}") from None
    if not content.startswith(b"{"):
        raise ValueError("the answer is not a JSON object")
    return content


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


class ApiError(msgspec.Struct, frozen=True):
    """The content of an error body of any known shape."""

    message: str | None = None
    codes: frozenset[int] = frozenset()
    tracking_id: str | None = None


def read_error(body: bytes) -> ApiError:
    """Read an error body. An HTML page, an empty body or an unknown shape gives an empty `ApiError`."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ApiError()
    messages: list[str] = []
    codes: set[int] = set()
    tracking_ids: list[str] = []
    _collect(content, messages, codes, tracking_ids)
    texts = list(dict.fromkeys(messages))
    codes |= {int(code) for text in texts for code in _CODE_IN_TEXT.findall(text)}
    return ApiError(
        "; ".join(texts)[:_MAX_MESSAGE] or None, frozenset(codes), tracking_ids[0] if tracking_ids else None
    )


def _collect(node: Any, messages: list[str], codes: set[int], tracking_ids: list[str]) -> None:
    if isinstance(node, list):
        for item in node:
            _collect(item, messages, codes, tracking_ids)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("message", "description", "errorMessage", "error_description") and isinstance(value, str):
                messages.append(value)
            elif key in ("errorCode", "code") and _CODE.fullmatch(str(value)):
                codes.add(int(value))
            elif key == "trackingId" and isinstance(value, str):
                tracking_ids.append(value)
            else:
                _collect(value, messages, codes, tracking_ids)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` asks for; None if it says nothing usable.

    Understands seconds and HTTP dates (RFC 9110). A time in the past and `0` become `MIN_RETRY_AFTER_S`; a text such
    as ``rand(30),add(30)``, which the API has sent, becomes None.

    Args:
        value: the text of the header; None if it is absent.
        now: the time to measure a date from: the `Date` of the answer, if it has one.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text):
        delay_s = float(text)
    else:
        try:
            delay_s = (parsedate_to_datetime(text) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(delay_s, MIN_RETRY_AFTER_S) if delay_s <= MAX_RETRY_AFTER_S else None


def answer_time(headers: Mapping[str, str], default: datetime) -> datetime:
    """The time on the server's clock (`Date`); `default` if the header is absent or unusable."""
    try:
        time = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return default
    return time if time.tzinfo else default


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL (RFC 6454); the token goes to one origin only."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, (parts.hostname or "").lower(), default if port is None else port


def body_object(body: bytes) -> dict[str, Any]:
    """The object in a body that `read_body` gave."""
    return msgspec.json.decode(body, type=dict[str, Any])


def page_items(body: bytes, key: str) -> list[Any] | None:
    """The items of a page of a listing; None if there is no list, which differs from an empty list."""
    items = body_object(body).get(key)
    return items if isinstance(items, list) else None


def objects(items: list[Any]) -> list[dict[str, Any]]:
    """The objects in a list; other values are skipped."""
    return [item for item in items if isinstance(item, dict)]


def text(value: object) -> str | None:
    """The value if it is a text, else None."""
    return value if isinstance(value, str) else None
