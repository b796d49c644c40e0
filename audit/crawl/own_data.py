"""Detects that the API returns the caller's own settings in place of another user's.

Without the admin scope, the API ignores `userEmail` of `/meetingPreferences`, and an answer names no user ("Get Audio
Options" of the Webex API reference): the caller's settings would be stored under another person's name. So the guard
first reads the caller's own settings, then those of a user who can't exist. Later, it compares each answer for
another user with the caller's own settings: several equal ones in a row cannot be coincidence.
"""

from contextlib import suppress

import msgspec
import pyarrow.compute as pc

from audit.datasets import Dataset, Request
from audit.datasets.dataset import ByUser
from audit.entity import Entity, EntityType
from audit.outcome import Outcome
from audit.output.inventory import Inventory
from audit.threads import in_thread
from audit.webex.body import body_object
from audit.webex.client import Answer, Client
from audit.webex.errors import ScopeError

#: A domain that never exists (RFC 2606).
_NOBODY = "webex-audit-asks-whether-this-parameter-counts@nobody.invalid"
#: This many answers for other users in a row that equal the caller's own cannot be coincidence; fewer suffice if no
#: more exist.
_ALIKE = 3
_CALLER = Entity(EntityType.PERSON, "")


class _Settings(msgspec.Struct, frozen=True):
    """Settings to compare: the declared fields as text, and values that two users are unlikely to share."""

    fields: str
    pin: str
    mobile: str

    def is_alike(self, own: "_Settings") -> bool:
        # Many users have the settings that they were provisioned with: only PIN and number identify a user.
        is_telling = bool(own.mobile or (own.pin and self.pin == own.pin))
        return is_telling and self.fields == own.fields


class OwnDataGuard:
    """Compares answers for other users with the caller's own. Made by `begin`."""

    def __init__(self, dataset: Dataset, own: list[_Settings]) -> None:
        self._dataset = dataset
        self._own = own
        self._others = self._alike = 0

    @classmethod
    async def begin(cls, client: Client, dataset: Dataset, by_user: ByUser) -> "OwnDataGuard":
        """Read the caller's own settings, then those of a user who can't exist.

        Raises:
            ScopeError: the API returns the caller's own settings for that user.
            UnansweredError: the API does not answer.
        """
        sites = await _get(client, by_user.sites(_CALLER, None), by_user.own_scope)
        site_urls: list[str] = []
        if sites.outcome is Outcome.OK:
            with suppress(ValueError):
                site_urls = by_user.read_sites(sites.body)
        own = [await _get(client, dataset.request(_CALLER, None), by_user.own_scope)]
        # One dead site must not end the run, so its failure is ignored.
        own += [await _ask(client, dataset.request(_CALLER, site_url)) for site_url in site_urls]
        read = [_read(dataset, answer.body) for answer in own if answer.outcome is Outcome.OK]
        guard = cls(dataset, [settings for settings in read if settings])
        await guard._ask_for_nobody(client)
        return guard

    def on_answer(self, body: bytes) -> None:
        """Compare another user's settings with the caller's own.

        Raises:
            ScopeError: these settings, and those before them, equal the caller's own.
        """
        settings = _read(self._dataset, body)
        if settings:
            self._others += 1
            is_alike = any(settings.is_alike(own) for own in self._own)
            self._alike = self._alike + 1 if is_alike else 0
            if self._alike >= _ALIKE:
                raise self._error()

    async def confirm(self, client: Client) -> None:
        """Check again at the end: there may have been few answers, and a renewed token may have fewer scopes.

        Raises:
            ScopeError: the API returns the caller's own settings for other users.
            UnansweredError: the API does not answer.
        """
        if 0 < self._others == self._alike:
            raise self._error()
        await self._ask_for_nobody(client)

    async def _ask_for_nobody(self, client: Client) -> None:
        request = self._dataset.request(Entity(EntityType.PERSON, "", email=_NOBODY), None)
        answer = await _get(client, request, self._dataset.scopes[EntityType.PERSON])
        settings = _read(self._dataset, answer.body) if answer.outcome is Outcome.OK else None
        # If the caller's own settings can't be read, nobody knows whose settings this answer holds.
        if settings and (not self._own or settings.fields in {own.fields for own in self._own}):
            raise self._error()

    def _error(self) -> ScopeError:
        name = self._dataset.name
        return ScopeError(
            f"the API returns the caller's own {name} in place of another user's: the token needs the "
            f"scope {self._dataset.scopes[EntityType.PERSON]} and an administrator role; nothing was written under "
            "another's name"
        )


async def _ask(client: Client, request: Request) -> Answer:
    return await client.get(request.path, request.params, has_pins=True)


async def _get(client: Client, request: Request, scope: str) -> Answer:
    answer = await _ask(client, request)
    if answer.outcome.is_unanswered or answer.outcome is Outcome.INVALID_RESPONSE:
        raise client.unanswered(request.path, answer, scope)
    return answer


def _read(dataset: Dataset, body: bytes) -> _Settings | None:
    """The settings in an answer; None if it can't be read."""
    content = body_object(body)
    if not content:
        return None
    fields = {name: _texts(content.get(name)) for name in dataset.answer.names}
    mobile = content.get("mobileNumber")
    number = str(mobile.get("number") or "") if isinstance(mobile, dict) else ""
    return _Settings(msgspec.json.encode(fields).decode(), str(content.get("audioPin") or ""), number)


def _texts(value: object) -> object:
    """A value with its numbers as texts: the API sends both."""
    if isinstance(value, dict):
        return {key: _texts(value[key]) for key in sorted(value)}
    return value if value is None or isinstance(value, bool) else str(value)


async def guard_for(client: Client, dataset: Dataset, inventory: Inventory) -> OwnDataGuard | None:
    """Make a guard, if the settings are addressed by user and the inventory has users other than the caller.

    Raises:
        ScopeError: the API returns the caller's own settings for other users.
        UnansweredError: the API does not answer.
    """
    if dataset.by_user is None or not await in_thread(_has_others, inventory):
        return None
    return await OwnDataGuard.begin(client, dataset, dataset.by_user)


def _has_others(inventory: Inventory) -> bool:
    return any(
        pc.any(pc.and_(pc.invert(rows["is_caller"]), pc.is_null(rows["known_outcome"]))).as_py()
        for _, rows in inventory.batches()
    )
