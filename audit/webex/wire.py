"""What HTTP says beside status and body: when to come back (RFC 9110, section 10.2.3), and who is asked (RFC 6454)."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from audit.untrusted.bounds import NAME_CHARS

#: The wait after a 429 without a usable time; other clients of this API wait as long.
DEFAULT_RETRY_AFTER_S = 5.0
#: The API has sent `Retry-After: 0` for a wait of less than a second.
MIN_RETRY_AFTER_S = 1.0
#: A wait of more than a week is a defect, and is ignored.
MAX_RETRY_AFTER_S = 7 * 86_400.0


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


def origin_text(url: str) -> str:
    """The origin of a URL, for messages."""
    scheme, host, port = origin_of(url)
    is_default = port in (None, {"https": 443, "http": 80}.get(scheme))
    return f"{scheme}://{host}{'' if is_default else f':{port}'}"


def objects(items: list[Any]) -> list[dict[str, Any]]:
    """The objects in a list; other values are skipped."""
    return [item for item in items if isinstance(item, dict)]


def name(value: object) -> str | None:
    """The value if it is a text, else None; a name that is too long for a table is cut."""
    found = text(value)
    return found if found is None or len(found) <= NAME_CHARS else f"{found[: NAME_CHARS - 1]}…"


def text(value: object) -> str | None:
    """The value if it is a text, else None."""
    return value if isinstance(value, str) else None
