"""Reads the settings of one entity: once, or once for each of its meeting sites."""

from collections.abc import Collection
from typing import NamedTuple

import msgspec

from audit.crawl.offer import Offer
from audit.crawl.own_data import OwnDataGuard
from audit.crawl.shelf import Spot
from audit.datasets import Dataset, Request
from audit.datasets.dataset import ByUser
from audit.entity import Entity, EntityType
from audit.inventory.organizations import Organization
from audit.outcome import Outcome
from audit.untrusted.bounds import SITES, SMALL_BYTES
from audit.webex.client import Answer, Client

#: Status and outcomes of an answer in the API's own words that refuses to read an entity.
_REFUSALS = frozenset({400, 403, 404, 405})
_REFUSED = frozenset({Outcome.BAD_REQUEST, Outcome.FORBIDDEN, Outcome.NOT_FOUND})


class Reading(NamedTuple):
    """The answer for an entity; for one meeting site, if its settings belong to a site.

    Attributes:
        site_url: the site.
        answer: the answer.
        spot: where the body of the answer waits on the disk; None if the answer has it.
        is_other: the answer is from the other path (`Dataset.other_paths`).
    """

    site_url: str | None
    answer: Answer
    spot: Spot | None = None
    is_other: bool = False


def unasked(outcome: Outcome, reason: str | None) -> Answer:
    """A synthetic answer: the outcome is known without a request."""
    return Answer(outcome, None, b"", reason, None, 0, None)


class Reader:
    """Reads the settings of entities.

    Args:
        client: the API.
        dataset: what to read.
        organization: the organization of the entities.
        sites: the meeting sites to read, instead of all sites that a user has.
        guard: checks each answer for a user; None if the caller is the only user.
        is_asking_again: the reads repeat those that failed in an earlier run.

    Attributes:
        client: the API.
        offer: finds out what the API offers; None if the dataset is not new.
        found_sites: the chosen meeting sites that have any of the users.
    """

    def __init__(
        self,
        client: Client,
        dataset: Dataset,
        organization: Organization,
        sites: Collection[str] = (),
        guard: OwnDataGuard | None = None,
        *,
        is_asking_again: bool = False,
    ) -> None:
        self.client = client
        self._dataset = dataset
        self._params = {} if dataset.by_user else organization.params
        self._sites = sites
        self._guard = guard
        self.offer = Offer(dataset, is_asking_again=is_asking_again) if dataset.is_new else None
        self.found_sites: set[str] = set()

    def scope_of(self, kind: EntityType) -> str:
        """The scope that the reads of a kind of entity need."""
        by_user = self._dataset.by_user
        return by_user.own_scope if by_user and not self._guard else self._dataset.scopes[kind]

    async def read(self, entity: Entity) -> list[Reading]:
        """Read one entity. Returns one reading, or one for each site.

        Raises:
            AuditError: an error that ends the run (`audit.webex.client.Client.get`, `OwnDataGuard.on_answer`).
        """
        if entity.known_outcome:
            return [Reading(None, unasked(entity.known_outcome, entity.known_reason))]
        if self._dataset.by_user is None:
            answer, is_other = await self._read_one(entity)
            return [Reading(None, _excused(answer) if entity.is_hot_desk else answer, is_other=is_other)]
        # Without the admin scope, the API ignores an email address, even the caller's own.
        asked = entity if self._guard else msgspec.structs.replace(entity, email=None)
        if self._sites:
            return [await self._read_chosen(self._dataset.by_user, asked, site_url) for site_url in self._sites]
        return await self._read_all_sites(self._dataset.by_user, asked)

    async def _read_one(self, entity: Entity) -> tuple[Answer, bool]:
        if self.offer:
            return await self.offer.read(entity, self._get)
        return await self._get(self._dataset.request(entity, None)), False

    async def _read_all_sites(self, by_user: ByUser, entity: Entity) -> list[Reading]:
        answer, site_urls = await self._sites_of(by_user, entity, None)
        for site_url in entity.site_urls:
            # A 404 from the default site is not final; try the directory's sites.
            if answer.outcome is not Outcome.NOT_FOUND:
                break
            answer, site_urls = await self._sites_of(by_user, entity, site_url)
        if not site_urls:
            return [Reading(None, answer)]
        return [await self._read_site(entity, site_url) for site_url in site_urls]

    async def _read_chosen(self, by_user: ByUser, entity: Entity, site_url: str) -> Reading:
        answer, site_urls = await self._sites_of(by_user, entity, site_url)
        if site_urls and site_url not in site_urls:
            reason = f"the user is not on this site, but on {', '.join(site_urls)}"
            return Reading(site_url, _as(answer, Outcome.NOT_FOUND, reason))
        if not site_urls:
            return Reading(site_url, answer)
        self.found_sites.add(site_url)
        return await self._read_site(entity, site_url)

    async def _read_site(self, entity: Entity, site_url: str) -> Reading:
        answer = await self._get(self._dataset.request(entity, site_url))
        if self._guard and answer.outcome is Outcome.OK and not entity.is_caller:
            self._guard.on_answer(answer.body)
        if self._dataset.censor and answer.outcome is Outcome.OK:
            try:
                answer = msgspec.structs.replace(answer, body=self._dataset.censor(answer.body))
            except ValueError:
                answer = _as(answer, Outcome.INVALID_RESPONSE, "a value in the answer can't be read")
        if len(answer.body) > SMALL_BYTES:
            # A user may have many sites, and their answers wait for the last one.
            reason = f"the settings have more than {SMALL_BYTES:,} bytes"
            answer = _as(answer, Outcome.INVALID_RESPONSE, reason)
        return Reading(site_url, answer)

    async def _sites_of(self, by_user: ByUser, entity: Entity, site_url: str | None) -> tuple[Answer, list[str]]:
        """The answer and the URLs in it; if there are none, the answer says why."""
        answer = await self._get(by_user.sites(entity, site_url))
        if answer.outcome is not Outcome.OK:
            hint = "" if site_url or answer.outcome is not Outcome.NOT_FOUND else "; --site asks another meeting site"
            return _as(answer, answer.outcome, f"sites: {answer.message}{hint}"), []
        try:
            site_urls = by_user.read_sites(answer.body)
        except ValueError as error:
            return _as(answer, Outcome.INVALID_RESPONSE, f"sites: {error}"), []
        if len(site_urls) > SITES:
            return _as(answer, Outcome.INVALID_RESPONSE, f"sites: the user has more than {SITES} of them"), []
        return answer if site_urls else _as(answer, Outcome.NOT_FOUND, "the user has no meeting site"), site_urls

    async def _get(self, request: Request) -> Answer:
        has_pins = self._dataset.censor is not None
        return await self.client.get(request.path, {**self._params, **request.params}, has_pins=has_pins)


def _excused(answer: Answer) -> Answer:
    """The answer for a hot desk: it has no call settings, and no document says how the API refuses to read them."""
    if answer.status not in _REFUSALS or answer.outcome not in _REFUSED:
        return answer
    reason = f"a hot desk has no call settings; the API says ({answer.status}): {answer.message}"
    return _as(answer, Outcome.NOT_LICENSED, reason)


def _as(answer: Answer, outcome: Outcome, message: str) -> Answer:
    return msgspec.structs.replace(answer, outcome=outcome, message=message, body=b"")
