"""Meeting sites of an organization, and the audio options of its users there."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from audit.simulator import names
from audit.simulator.seed import Json, Seed

_SHARE_LEGACY_ONLY = 0.03
_SHARE_TRAINING_TOO = 0.15
_SHARE_PIN = 0.7
_SHARE_EMPTY_NUMBER = 0.1
_SHARE_ODD = 0.15
#: PINs that the documentation forbids.
_FORBIDDEN_PINS = frozenset({f"{digit}" * 4 for digit in range(10)}) | {
    run for start in range(7) for run in ("0123456789"[start : start + 4], "9876543210"[start : start + 4])
}
_ABSENT = "absent"
#: Undocumented content of answers, as changes of an ordinary answer.
_ODDITIES: tuple[Callable[[Json], Json], ...] = (
    *(lambda _audio, pin=pin: {"audioPin": pin} for pin in ("1234", "4321", "1111", "", "12a4", 2580, None)),
    lambda _audio: {"officeNumber": None},
    lambda _audio: {"officeNumber": _ABSENT},
    lambda _audio: {"mobileNumber": None},
    lambda _audio: {"mobileNumber": _ABSENT},
    lambda audio: {"officeNumber": {"number": audio["officeNumber"]["number"]}},
    lambda _audio: {"futureSetting": {"mode": "x"}},
    lambda _audio: {"defaultAudioType": "brainWaves"},
    *(lambda _audio, name=name: {"otherTeleconferenceDescription": name} for name in names.HOSTILE[:7]),
)


@dataclass(frozen=True)
class Meetings:
    """The sites and their users.

    Attributes:
        seed: determines everything.
        odd: mix in undocumented content.
        prefix: the beginning of the names of the sites.
    """

    seed: Seed
    odd: bool
    prefix: str

    @property
    def site_urls(self) -> tuple[str, ...]:
        """The sites; the first is the default."""
        return tuple(f"{self.prefix}{suffix}.webex.com" for suffix in ("", "-training", "-legacy"))

    def sites(self, index: int) -> list[Json]:
        """The sites of a user."""
        default, training, legacy = self.site_urls
        lot = 1 - _SHARE_TRAINING_TOO if index == 0 else self.seed.dice("sites", index).random()
        if lot < _SHARE_LEGACY_ONLY:
            return [{"siteUrl": legacy, "default": True}]
        found = [{"siteUrl": default, "default": True}]
        return found if lot < 1 - _SHARE_TRAINING_TOO else [*found, {"siteUrl": training, "default": False}]

    def audio(self, index: int, site_url: str) -> Json:
        """The audio options of a user on a site."""
        dice = self.seed.dice(f"audio/{site_url}", index)
        kind = dice.choice(("webexAudio", "webexAudio", "webexAudio", "voipOnly", "otherTeleconferenceService", "none"))
        audio: Json = {
            "defaultAudioType": kind,
            "otherTeleconferenceDescription": _provider(dice) if kind == "otherTeleconferenceService" else "",
            "enabledGlobalCallIn": dice.random() < 0.5,
            "enabledTollFree": dice.random() < 0.3,
            "enabledAutoConnection": dice.random() < 0.4,
            "officeNumber": _number(dice, index),
            "mobileNumber": _number(dice, index),
        }
        if dice.random() < _SHARE_EMPTY_NUMBER:
            audio["mobileNumber"] |= {"number": "", "countryCode": dice.choice(("", "1"))}
        if dice.random() < _SHARE_PIN:
            audio["audioPin"] = _pin(dice)
        if self.odd and dice.random() < _SHARE_ODD:
            audio |= dice.choice(_ODDITIES)(audio)
        return {key: value for key, value in audio.items() if value != _ABSENT}


def _provider(dice: random.Random) -> str:
    return f"Acme Conferencing +1-800-555-{dice.randrange(10_000):04d}; host code {dice.randrange(1000):03d}"


def _number(dice: random.Random, index: int) -> Json:
    return {
        "countryCode": dice.choice(("1", "1", "49", "81", "123")),
        "number": f"{dice.randint(200, 999)}555{index:04d}",
        "enabledCallInAuthentication": dice.random() < 0.3,
        "enabledCallMe": dice.random() < 0.5,
    }


def _pin(dice: random.Random) -> str:
    while (pin := f"{dice.randrange(10_000):04d}") in _FORBIDDEN_PINS:
        pass
    return pin
