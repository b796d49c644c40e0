"""Finds out that the API answers with the caller's own data where another user's is asked for.

Without the admin scope, `userEmail` of `/meetingPreferences` is not looked at, and an answer names
no user ("Get Audio Options" of the Webex API reference): one person's options would be written under
another's name. So the caller's own are read first, then those of somebody who can't exist.
"""

import hashlib
from collections.abc import Collection
from contextlib import suppress

import msgspec

from audit.datasets import Dataset, Request
from audit.datasets.dataset import ByUser
from audit.entity import Entity, EntityType
from audit.outcome import Outcome
from audit.webex.client import Answer, Client
from audit.webex.errors import ScopeError

#: A domain that never exists (RFC 2606).
_NOBODY = "webex-audit-asks-whether-this-parameter-counts@nobody.invalid"
#: So many first answers for others that are the caller's own are no chance.
_ALIKE = 3
_TRANSIENT = frozenset({Outcome.TIMEOUT, Outcome.SERVER_ERROR, Outcome.THROTTLED})


class OwnDataGuard:
    """Compares answers for other users with the caller's own. Made by `begin`."""

    def __init__(self, dataset: Dataset, digests: Collection[bytes], own: dict[str, bytes]) -> None:
        self._dataset = dataset
        self._digests = digests
        self._own = own
        self._others = self._alike = 0

    @classmethod
    async def begin(cls, client: Client, dataset: Dataset, by_user: ByUser) -> "OwnDataGuard":
        """Read the caller's own, then those of nobody.

        Raises:
            ScopeError: the API answers with the caller's own.
            UnansweredError: it does not answer.
        """
        caller = Entity(EntityType.PERSON, "")
        sites = await _get(client, by_user.sites(caller, None))
        site_urls: list[str] = []
        if sites.outcome is Outcome.OK:
            with suppress(ValueError):
                site_urls = by_user.read_sites(sites.body)
        own = {site_url: await _get(client, dataset.request(caller, site_url)) for site_url in (None, *site_urls)}
        bodies = {site_url: answer.body for site_url, answer in own.items() if answer.outcome is Outcome.OK}
        digests = {_digest(body) for body in bodies.values()}
        telling = {site_url: _digest(body) for site_url, body in bodies.items() if site_url and _is_telling(body)}
        guard = cls(dataset, digests, telling)
        unsure = [answer for answer in own.values() if answer.outcome in _TRANSIENT]
        if unsure and not digests:
            raise client.unanswered(_nobody(dataset).path, unsure[0], by_user.own_scope)
        await guard._ask_for_nobody(client)
        return guard

    async def _ask_for_nobody(self, client: Client) -> None:
        request = _nobody(self._dataset)
        answer = await _get(client, request)
        if answer.outcome in _TRANSIENT:
            raise client.unanswered(request.path, answer, self._dataset.scopes[EntityType.PERSON])
        # An answer for nobody to one who may not read the caller's own is nobody knows whose.
        if answer.outcome is Outcome.OK and (not self._digests or _digest(answer.body) in self._digests):
            raise self.error()

    async def confirm(self, client: Client) -> None:
        """Judge the answers so far, and ask for nobody again: a token may be renewed with fewer scopes.

        Raises:
            ScopeError: the API answers with the caller's own.
            UnansweredError: it does not answer.
        """
        self._judge()
        await self._ask_for_nobody(client)

    def on_answer(self, site_url: str, body: bytes) -> None:
        """Take note of another user's settings on a site.

        Raises:
            ScopeError: they, and all before them, are the caller's own.
        """
        if site_url in self._own:
            self._others += 1
            self._alike += _digest(body) == self._own[site_url]
            if self._others == _ALIKE:
                self._judge()

    def _judge(self) -> None:
        if 0 < self._others <= _ALIKE and self._alike == self._others:
            raise self.error()

    def error(self) -> ScopeError:
        """The error that tells the missing scope."""
        name = self._dataset.name
        return ScopeError(
            f"the API answers with the caller's own {name} where another user's are asked for: the token needs the "
            f"scope {self._dataset.scopes[EntityType.PERSON]} and an administrator role; nothing was written under "
            "another's name"
        )


def _nobody(dataset: Dataset) -> Request:
    return dataset.request(Entity(EntityType.PERSON, "", email=_NOBODY), None)


async def _get(client: Client, request: Request) -> Answer:
    return await client.get(request.path, request.params, has_pins=True)


def _digest(body: bytes) -> bytes:
    content = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(content).digest()


def _is_telling(body: bytes) -> bool:
    """Whether settings are hardly another user's too: they hold a PIN, or a number."""
    return any(_holds_digits(value) for value in msgspec.json.decode(body, type=dict[str, object]).values())


def _holds_digits(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_digits(each) for each in value.values())
    return isinstance(value, str) and any(map(str.isdigit, value))
