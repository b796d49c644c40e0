"""Hides what an event of the administrators' log must not carry on: PINs, other secrets, and addresses.

The log's fields are open and its texts are free, so the words of an event decide: an event that mentions a PIN loses
all its digits, one that mentions another secret loses its values. Base64 is read as well, and hidden as a whole where
it says what must not stay. Too much is hidden rather than too little.
"""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from audit.redaction import redact
from audit.webex import ids
from audit.webex.body import without_numbers

HIDDEN = "[hidden]"
_ADDRESS = "[address]"
_BROWSER = "[user agent]"
#: `PIN`, `audioPin`, `pin_code`, but not `shipping`.
_PIN = re.compile(r"(?<![A-Za-z])[Pp][Ii][Nn]s?(?![a-z])|(?<=[a-z])P(?:IN|in)s?(?![a-z])")
#: Between the parts of a word: `pass-code`, `api_key`.
_BETWEEN = re.compile(r"[\s_-]+")
#: Other words for a PIN. The log may come in the administrator's language.
_PIN_WORDS = (
    "passcode", "accesscode", "hostkey", "onetime", "zugangscode", "coded'acc", "coded’acc", "códigodeacceso",
    "暗証", "パスコード",
)  # fmt: skip
#: English, German, Dutch, Spanish, French, Portuguese, Polish, Turkish or Italian, Russian, Japanese, Chinese, Korean.
_SECRET_WORDS = (
    "password", "passphrase", "passwd", "secret", "credential", "apikey", "privatekey", "encryptionkey", "signingkey",
    "accesstoken", "refreshtoken", "bearertoken", "apitoken", "authtoken", "passwort", "kennwort", "wachtwoord",
    "contraseña", "contrasena", "motdepasse", "motsdepasse", "senha", "palavrapasse", "hasło", "haslo", "parola",
    "парол", "パスワード", "密码", "密碼", "口令", "비밀번호", "암호",
)  # fmt: skip
_ADDRESS_KEY = re.compile(
    r"(?i:user[\s_-]*agent|(?<![a-z])ip[\s_-]*addr|remote[\s_-]*addr|forwarded|browser|ipv[46])"
    r"|(?<![A-Za-z])[Ii][Pp]s?(?![a-z])|(?<=[a-z])I[Pp]s?(?![a-z])"
)
_MAYBE_ADDRESS = re.compile(
    r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\.?[0-9])"
    # As in the name of a host: ec2-203-0-113-9.
    r"|(?:(?<=[A-Za-z]-)|(?<=[A-Za-z][0-9]-))[0-9]{1,3}(?:-[0-9]{1,3}){3}(?!-?[0-9])"
    r"|(?<![0-9A-Fa-f:])(?=[0-9A-Fa-f]{0,4}:)(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4})"
)
#: A browser's text to its end, or the name and version of any other program.
_USER_AGENT = re.compile(
    r"Mozilla/[0-9].*|(?<![\w/.+-])[A-Za-z][\w+-]{1,60}/v?[0-9]{1,9}"
    r"(?:(?:\.[0-9]{1,9})+[\w.+-]{0,60}(?: \([^()]{0,300}\))?| \([^()]{0,300}\))",
    re.DOTALL,
)
_SHORTEST = 6
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{_SHORTEST},}}={{0,2}}")
_SEPARATOR = re.compile("[/_-]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
#: Layers of base64 that are read.
_CODED = 3
_ONE_ALPHABET = str.maketrans("-_", "+/")
#: What stands around a value in a sentence, or in it.
_QUOTING = re.compile(r'[0-9:="“”„«»]')
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
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
        has_base64: the event holds base64 of a text that is not an id.
        keeps_addresses: addresses and user agents stay.
    """

    has_known_secret: bool
    has_pin: bool
    has_secret: bool
    has_base64: bool
    keeps_addresses: bool

    def text(self, text: str) -> str:
        """A text for people."""
        return self._plain(_BASE64.sub(self._coded, text) if self.has_base64 else text)

    def _coded(self, found: re.Match[str]) -> str:
        """A part of a text, or the placeholder if it is base64 of what must not stay."""
        return HIDDEN if any(map(self._is_harmful, _meanings(found[0]))) else found[0]

    def _is_harmful(self, text: str) -> bool:
        return self.has_secret or self._plain(text) != text

    def _plain(self, text: str) -> str:
        text = redact(text) if self.has_known_secret else text
        if not self.keeps_addresses:
            text = _USER_AGENT.sub(_BROWSER, _MAYBE_ADDRESS.sub(_without_address, text))
        return without_numbers(text) if self.has_pin else text

    def quoting(self, text: str) -> str:
        """A text that may quote the values of settings."""
        return HIDDEN if self.has_secret else self.text(text)

    def worded(self, text: str) -> str:
        """A text of Webex's own words, which hardly ever quotes a value."""
        return HIDDEN if self.has_secret and _QUOTING.search(text) else self.text(text)

    def name(self, text: str) -> str:
        """An id, an email address, or the name of a field."""
        text = redact(text) if self.has_known_secret else text
        is_id = _EMAIL.fullmatch(text) or _is_id(text) or _TRACKING_ID.fullmatch(text)
        return text if is_id or not self.has_pin else without_numbers(text)

    def value(self, key: str, value: Any) -> Any:
        """The value of a field that has no column: a text, a number, true, false or null."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and _is_id(value):
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
    coded = [meaning for part in _BASE64.findall(text) for meaning in _meanings(part)]
    text = " ".join([text, *coded])
    words = _BETWEEN.sub("", text.lower())
    return Mask(
        has_known_secret=redact(text) != text,
        has_pin=("pin" in words and _PIN.search(text) is not None) or any(word in words for word in _PIN_WORDS),
        has_secret=any(word in words for word in _SECRET_WORDS),
        has_base64=bool(coded),
        keeps_addresses=keeps_addresses,
    )


def _is_id(text: str) -> bool:
    return not re.search(r"\s", text) and ids.uuid_within(text) is not None


def _meanings(part: str, layers: int = _CODED) -> Iterator[str]:
    """The texts of base64 that is not an id: of a part of a text, whole or between what may be a separator."""
    for piece in dict.fromkeys((part, *_SEPARATOR.split(part))):
        # The first character of base64 of ASCII is one of these.
        text = _text_in(piece) if "I" <= piece[:1] <= "f" and len(piece) >= _SHORTEST else None
        if text and not ids.uuid_within(piece):
            yield text
            for inner in _BASE64.findall(text) if layers > 1 else ():
                yield from _meanings(inner, layers - 1)


def _text_in(coded: str) -> str | None:
    """The text of base64 in either alphabet; None if it stands for no text."""
    bare = coded.rstrip("=").translate(_ONE_ALPHABET)
    try:
        text = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return None if _CONTROL.search(text) else text


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
    numbers = text.replace("-", ".").split(".")
    is_version_4 = len(numbers) == 4 and all(map(str.isdecimal, numbers))
    try:
        # Some programs write leading zeros, which the library refuses.
        ipaddress.ip_address(".".join(str(int(each)) for each in numbers) if is_version_4 else text)
    except ValueError:
        return False
    return True


#: Hides something in a text.
Hide = Callable[[str], str]
