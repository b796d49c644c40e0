"""Signs in on another device: a code to enter there, and a token endpoint that is polled meanwhile (RFC 8628).

The endpoints of Webex are `POST /device/authorize` and `POST /device/token` ("Login with Webex"). Until the person has
agreed, the latter answers 428; RFC 8628 says 400 with `authorization_pending`.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from audit.config import LOOPBACK
from audit.redaction import learn
from audit.webex.grant import Grant, Refusal, Trouble, judge_grant, lifetime_s_of, object_of

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
#: Seconds between two polls if the answer names none (RFC 8628 section 3.2), and those that `slow_down` adds (3.5).
_INTERVAL_S = 5.0
SLOW_DOWN_S = 5.0
#: A shorter or longer interval is a defect.
_INTERVALS_S = (1.0, 60.0)
#: Lifetime of a code if the answer names none; Webex says 300 seconds.
_LIFETIME_S = 300.0
_LONGEST_LIFETIME_S = 1800.0
_USER_CODE = re.compile(r"[A-Za-z0-9-]{4,40}")
_LONGEST_URI = 500


class DeviceCode(msgspec.Struct, frozen=True):
    """What to enter where.

    Attributes:
        device_code: what polls send, a secret.
        user_code: what the person enters.
        uri: the page where they do.
        uri_complete: the page that knows the code already; None if there is none.
        lifetime_s: seconds until the codes expire.
        interval_s: seconds between two polls.
    """

    device_code: str
    user_code: str
    uri: str
    uri_complete: str | None = None
    lifetime_s: float = _LIFETIME_S
    interval_s: float = _INTERVAL_S


class Pending(msgspec.Struct, frozen=True):
    """The person has not decided yet.

    Attributes:
        is_slow: the endpoint wants to be polled less often.
    """

    is_slow: bool = False


class Ended(msgspec.Struct, frozen=True):
    """No poll will bring a grant any more.

    Attributes:
        is_denied: the person has refused; else the code has expired.
    """

    is_denied: bool


def judge_device_code(status: int, headers: Mapping[str, str], body: bytes) -> DeviceCode | Refusal | Trouble:
    """The meaning of an answer of `POST /device/authorize`."""
    content = object_of(body)
    if status // 100 != 2 or "device_code" not in content:
        answer = judge_grant(status, headers, body)
        return Trouble("an access token instead of a device code") if isinstance(answer, Grant) else answer
    device_code, user_code, uri = (content.get(name) for name in ("device_code", "user_code", "verification_uri"))
    if not (_is_word(device_code) and isinstance(user_code, str) and _USER_CODE.fullmatch(user_code) and _is_page(uri)):
        return Trouble("no usable device code, user code and page in it")
    learn(device_code, is_echoed=True)
    complete = content.get("verification_uri_complete")
    low, high = _INTERVALS_S
    return DeviceCode(
        str(device_code),
        user_code,
        str(uri),
        str(complete) if _is_page(complete) else None,
        min(lifetime_s_of(content.get("expires_in")) or _LIFETIME_S, _LONGEST_LIFETIME_S),
        min(max(lifetime_s_of(content.get("interval")) or _INTERVAL_S, low), high),
    )


def judge_poll(status: int, headers: Mapping[str, str], body: bytes) -> Grant | Pending | Ended | Refusal | Trouble:
    """The meaning of an answer of `POST /device/token`."""
    words = _words(object_of(body))
    if status // 100 != 2:
        if "slow_down" in words:
            return Pending(is_slow=True)
        if status == 428 or "authorization_pending" in words:
            return Pending()
        if "access_denied" in words:
            return Ended(is_denied=True)
        if words & {"expired_token", "invalid_grant"}:
            return Ended(is_denied=False)
    return judge_grant(status, headers, body)


def _words(content: Mapping[str, Any]) -> set[str]:
    """Codes of RFC 6749, and the texts of the API's own errors: Webex sends such a code in either place."""
    errors = content.get("errors")
    items = [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    texts = [content.get("error"), content.get("message"), *(item.get("description") for item in items)]
    return {text for text in texts if isinstance(text, str)}


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_URI and value.isascii() and value.isprintable()


def _is_page(value: object) -> bool:
    """Whether a person may be sent to this page: it comes from outside."""
    if not isinstance(value, str) or not _is_word(value) or set(value) & set(" \"'<>\\`"):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    return is_safe and bool(parts.hostname) and "@" not in parts.netloc
