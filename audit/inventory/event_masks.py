"""Hides what an event of the administrators' log must not carry on: PINs, other secrets, and addresses.

The log's fields are open and its texts are free, so the words of an event decide: an event that mentions a PIN loses
all its digits, one that mentions another secret loses its values. Too much is hidden rather than too little.
"""

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audit.redaction import redact
from audit.webex import ids
from audit.webex.body import without_numbers

HIDDEN = "[hidden]"
_ADDRESS = "[address]"
_BROWSER = "[user agent]"
#: `PIN`, `audioPin`, `pin_code`, but not `shipping`.
_PIN = re.compile(
    r"(?<![A-Za-z])[Pp][Ii][Nn]s?(?![a-z])|(?<=[a-z])P(?:IN|in)s?(?![a-z])"
    r"|(?i:pass[\s_-]*code|access[\s_-]*code|host[\s_-]*key|one[\s_-]*time)"
)
_SECRET = re.compile(
    r"pass[\s_-]*(?:word|phrase)|passwd|secret|credential|(?:api|private|encryption|signing)[\s_-]*key"
    r"|(?:access|refresh|bearer|api|auth)[\s_-]*token",
    re.IGNORECASE,
)
_ADDRESS_KEY = re.compile(
    r"(?i:user[\s_-]*agent|(?<![a-z])ip[\s_-]*addr|remote[\s_-]*addr|forwarded|browser|ipv[46])"
    r"|(?<![A-Za-z])[Ii][Pp]s?(?![a-z])|(?<=[a-z])I[Pp]s?(?![a-z])"
)
_MAYBE_ADDRESS = re.compile(
    r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\.?[0-9])|(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}"
)
_USER_AGENT = re.compile(r"Mozilla/[0-9].*", re.DOTALL)
_TRACKING_ID = re.compile(rf"[A-Za-z_-]{{0,40}}{ids.UUID_PATTERN}(?:_[0-9]{{1,20}})*")
#: Fields of an event that name a setting, and so are not a secret.
NAMING = frozenset({
    "action", "changedAttributes", "commandKey", "configKey", "configOperationType", "deletedSettings", "entityType",
    "featureType", "operation", "operationType", "ownerType", "settingKey", "settingName", "updatedFields",
    "updatedSettings",
})  # fmt: skip


@dataclass(frozen=True)
class Mask:
    """What is hidden in one event; `mask_for` makes it.

    Attributes:
        has_known_secret: the event holds a secret of this process.
        has_pin: the event mentions a PIN.
        has_secret: the event mentions another secret.
        keeps_addresses: addresses and user agents stay.
    """

    has_known_secret: bool
    has_pin: bool
    has_secret: bool
    keeps_addresses: bool

    def text(self, text: str) -> str:
        """A text for people."""
        text = redact(text) if self.has_known_secret else text
        if not self.keeps_addresses:
            text = _USER_AGENT.sub(_BROWSER, _MAYBE_ADDRESS.sub(_without_address, text))
        return without_numbers(text) if self.has_pin else text

    def quoting(self, text: str) -> str:
        """A text that may quote the values of settings."""
        return HIDDEN if self.has_secret else self.text(text)

    def name(self, text: str) -> str:
        """An id, an email address, or the name of a field."""
        text = redact(text) if self.has_known_secret else text
        is_id = "@" in text or ids.uuid_within(text) or _TRACKING_ID.fullmatch(text)
        return text if is_id or not self.has_pin else without_numbers(text)

    def value(self, key: str, value: Any) -> Any:
        """The value of a field that has no column: a text, a number, true, false or null."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and ids.uuid_within(value):
            return self.name(value)
        if self.has_secret and key not in NAMING:
            return HIDDEN
        if isinstance(value, str):
            return self.text(value)
        return self.text(str(value)) if self.has_pin or self.has_known_secret else value

    def drops(self, key: str) -> bool:
        """Whether a field is left out as a whole."""
        return not self.keeps_addresses and _ADDRESS_KEY.search(key) is not None


def mask_for(event: dict[str, Any], *, keeps_addresses: bool) -> Mask:
    """What is to be hidden in an event.

    Args:
        event: the event as it came.
        keeps_addresses: addresses and user agents stay.
    """
    text = json.dumps(event, ensure_ascii=False)
    return Mask(
        has_known_secret=redact(text) != text,
        has_pin=_PIN.search(text) is not None,
        has_secret=_SECRET.search(text) is not None,
        keeps_addresses=keeps_addresses,
    )


def _without_address(found: re.Match[str]) -> str:
    """A part of a text, or the placeholder if it is an address."""
    text = found[0]
    if _is_address(text):
        return _ADDRESS
    return f"{_ADDRESS}:" if text.endswith(":") and _is_address(text[:-1]) else text


def _is_address(text: str) -> bool:
    # `::` alone is an address, too, but rather a part of a name.
    if not any(map(str.isdigit, text)):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


#: Hides something in a text.
Hide = Callable[[str], str]
