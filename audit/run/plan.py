"""Predicts what a run would do (`--dry-run`): takes the inventories and crawls nothing."""

import logging
import math
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow.compute as pc

from audit.config import PaceSettings
from audit.datasets import Dataset
from audit.entity import EntityType
from audit.errors import AuditError, DeadlineError, Reach, RefusedError, StoppedError
from audit.inventory import Collector, events, take_inventory, take_users
from audit.inventory.organizations import Organization
from audit.run import rates as memory
from audit.run.job import Job
from audit.run.needs import needs_of
from audit.run.nothing import sentence
from audit.run.scope import RunScope
from audit.run.session import clients_of, find_organizations
from audit.snapshot.context.admin_events import ADMIN_EVENTS
from audit.text import without_id
from audit.threads import in_thread
from audit.webex.client import Client
from audit.webex.rate import Belief

log = logging.getLogger(__name__)

#: What a rate is known from: the last run, a ceiling below the rate of the last run, or the ceiling alone, which may be
#: out of reach.
RateBasis = Literal["last run", "lower ceiling", "ceiling"]
#: From the least that is known to the most.
_BASES: tuple[RateBasis, ...] = ("ceiling", "lower ceiling", "last run")


@dataclass(frozen=True)
class Reads:
    """The reads of a dataset of one kind of entity.

    Attributes:
        dataset: name of the dataset.
        entity_type: the kind.
        requests: the expected number of requests.
        note: why there may be more or fewer; None if the number is certain.
    """

    dataset: str
    entity_type: str
    requests: int
    note: str | None = None


@dataclass(frozen=True)
class OrgPlan:
    """What a run would do in an organization.

    Attributes:
        org_id: its UUID.
        name: its display name, if known.
        entities: the size of its inventories.
        requests: the number of reads in the crawl; the number of meeting sites is not known yet.
        rate_per_s: the expected rate: what the last run reached, bounded by the ceiling; None if unknown.
        message: why the organization, or one of its datasets, can't be audited.
        limit: the limit on requests that the last run met, in words; None if unknown.
        reads: the reads by dataset and kind of entity.
        rate_basis: what the rate is known from.
    """

    org_id: str
    name: str | None
    entities: int = 0
    requests: int = 0
    rate_per_s: float | None = None
    message: str | None = None
    limit: str | None = None
    reads: list[Reads] = field(default_factory=list)
    rate_basis: RateBasis | None = None


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        organizations: the plan for each organization.
        entities: the entities of all organizations.
        requests: the requests of all organizations, without those of the inventories, which are already made.
        rate_per_s: the rate of all organizations together; None if that of any organization is unknown.
        duration_s: seconds for the slowest organization, or for all below the ceiling if that takes longer; None if a
            rate is unknown.
        scopes: the scopes that the token needs.
        uses: what needs each scope.
        listing_requests: the requests that find the organizations and their entities, before the crawl.
        reads: the reads of all organizations by dataset and kind of entity.
        rate_basis: what the rate is known from; `ceiling` if that is all that is known of any organization.
        start_rate_per_s: the rate at which a run starts where nothing is known.
        deadline_s: seconds until the deadline of a run; None without a deadline.
        deadline_share: the part of the deadline that the run takes; None if either is unknown.
    """

    organizations: list[OrgPlan]
    entities: int
    requests: int
    rate_per_s: float | None
    duration_s: float | None
    scopes: list[str]
    uses: dict[str, list[str]]
    listing_requests: int
    reads: list[Reads]
    rate_basis: RateBasis | None = None
    start_rate_per_s: float | None = None
    deadline_s: float | None = None
    deadline_share: float | None = None


async def plan(job: Job) -> Plan:
    """What a run would do.

    Raises:
        AuditError: no inventory can be taken, or the temporary folder is full; as `audit.run.run.run`.
    """
    orgs: list[OrgPlan] = []
    errors: list[AuditError] = []
    has_events = job.settings.run.admin_events
    async with job.connect() as client, job.deadline():
        organizations, invalid = await find_organizations(client, job.scope)
        if invalid:
            log.warning("%s", without_id(invalid, "ORGANIZATION"))
        for organization, own in zip(organizations, clients_of(client, organizations), strict=True):
            try:
                planned = await _plan_one(own, job.scope, organization, job.settings.pace)
                orgs.append(_with_events(planned) if has_events else planned)
            except OSError as error:
                place = error.filename or tempfile.gettempdir()
                raise StoppedError(f"the inventory can't be sorted in {place}: {error.strerror}: set TMPDIR") from None
            except AuditError as error:
                # Organizations are planned one after the other, so a wait for one holds up all others.
                if error.reach is Reach.RUN or isinstance(error, DeadlineError):
                    raise
                errors.append(error)
                orgs.append(OrgPlan(organization.org_id, organization.name, message=str(error)))
        listing_requests = client.count.total - client.count.retried
    if len(errors) == len(orgs):
        raise errors[0]
    return _together(orgs, job, listing_requests)


def _together(orgs: list[OrgPlan], job: Job, listing_requests: int) -> Plan:
    rates = [org.rate_per_s for org in orgs if org.requests]
    rate_per_s = None if None in rates or not rates else sum(rate for rate in rates if rate)
    max_rate = job.settings.pace.max_rate or math.inf
    bases = {org.rate_basis for org in orgs if org.requests} | (
        {"lower ceiling"} if (rate_per_s or 0) > max_rate else set()
    )
    rate_per_s = min(rate_per_s, max_rate) if rate_per_s else None
    requests = sum(org.requests for org in orgs)
    slowest_s = max((org.requests / org.rate_per_s for org in orgs if org.rate_per_s), default=0.0)
    needs = needs_of(job.scope, has_events=job.settings.run.admin_events)
    duration_s = max(slowest_s, requests / rate_per_s) if rate_per_s else None
    deadline_s = job.settings.run.deadline_s if job.settings.run.deadline else None
    return Plan(
        orgs,
        sum(org.entities for org in orgs),
        requests,
        rate_per_s,
        duration_s,
        [*needs],
        needs,
        listing_requests,
        _sum(each for org in orgs for each in org.reads),
        rate_basis=next((each for each in _BASES if rate_per_s and each in bases), None),
        start_rate_per_s=min(job.settings.pace.start_rate, max_rate),
        deadline_s=deadline_s,
        deadline_share=duration_s / deadline_s if duration_s is not None and deadline_s else None,
    )


def _sum(reads: Iterable[Reads]) -> list[Reads]:
    """The reads of all organizations."""
    counts: Counter[tuple[str, str, str | None]] = Counter()
    for each in reads:
        counts[each.dataset, each.entity_type, each.note] += each.requests
    return [Reads(dataset, kind, requests, note) for (dataset, kind, note), requests in counts.items()]


async def _plan_one(client: Client, scope: RunScope, organization: Organization, pace: PaceSettings) -> OrgPlan:
    entities = 0
    reads: list[Reads] = []
    refusals: list[RefusedError] = []
    reasons: list[str] = []
    for datasets in _sharing(scope):
        try:
            with Collector(client, organization) as found:
                await _take(found, scope, datasets)
                asked = await in_thread(_count, found)
        except RefusedError as error:
            if error.reach > Reach.KIND:
                raise
            refusals += [error] * len(datasets)
            continue
        _warn_of_none(scope, organization, datasets, {*asked, *found.unlisted, *found.invalid_items})
        reasons += found.unlisted.values()
        reasons += [without_id(items, kind) for kind, items in found.invalid_items.items()]
        entities += sum(listed for listed, _ in asked.values())
        reads += [
            _reads(dataset, kind, wanted)
            for dataset in datasets
            for kind, (_, wanted) in asked.items()
            if kind in scope.kinds_of(dataset)
        ]
    if len(refusals) == len(scope.datasets):
        raise refusals[0]
    message = "; ".join(dict.fromkeys([*map(str, refusals), *reasons])) or None
    belief = memory.recall(client.base_url, organization.org_id)
    rate_per_s, limit = _expected_per_s(belief, pace), str(belief) if belief else None
    requests = sum(each.requests for each in reads)
    basis = _basis(belief, rate_per_s, pace)
    return OrgPlan(organization.org_id, organization.name, entities, requests, rate_per_s, message, limit, reads, basis)


def _warn_of_none(scope: RunScope, organization: Organization, datasets: list[Dataset], seen: Collection[str]) -> None:
    if scope.wanted is None:
        for kind in dict.fromkeys(kind for dataset in datasets for kind in scope.kinds_of(dataset)):
            if kind not in seen:
                log.warning("%s", sentence(kind, [organization.title]))


def _reads(dataset: Dataset, kind: EntityType, entities: int) -> Reads:
    """The reads of a dataset for `entities` entities of a kind."""
    if dataset.by_user:
        # For each user, one request lists the sites, and a site is read.
        note = "one more for each further meeting site of a user, one less for a user without"
        return Reads(dataset.name, kind, 2 * entities, note)
    if kind in dataset.other_paths:
        return Reads(dataset.name, kind, entities, "up to twice as many if the API knows another path only")
    return Reads(dataset.name, kind, entities)


def _with_events(planned: OrgPlan) -> OrgPlan:
    """The plan of a run that also reads the administrators' log."""
    log_reads = Reads(ADMIN_EVENTS, "ORGANIZATION", events.LEAST_REQUESTS, "one more for each further page of events")
    return replace(planned, requests=planned.requests + log_reads.requests, reads=[*planned.reads, log_reads])


def _expected_per_s(belief: Belief | None, pace: PaceSettings) -> float | None:
    """The rate that the last run reached, or the ceiling if that is lower; None if neither is known."""
    known = belief.per_s if belief else None
    if belief and known and belief.kind == "rate":
        known *= pace.share
    return min((rate for rate in (known, pace.max_rate) if rate), default=None)


def _basis(belief: Belief | None, rate_per_s: float | None, pace: PaceSettings) -> RateBasis | None:
    if rate_per_s is None:
        return None
    if not (belief and belief.per_s):
        return "ceiling"
    return "lower ceiling" if rate_per_s == pace.max_rate else "last run"


def _sharing(scope: RunScope) -> list[list[Dataset]]:
    """The datasets of a scope, together if they share an inventory: those by user have users of their own."""
    shared = [dataset for dataset in scope.datasets if not dataset.by_user]
    return [*([shared] if shared else []), *([dataset] for dataset in scope.datasets if dataset.by_user)]


async def _take(found: Collector, scope: RunScope, datasets: list[Dataset]) -> None:
    if datasets[0].by_user:
        await take_users(found, scope.users)
        return
    kinds = dict.fromkeys(kind for dataset in datasets for kind in scope.kinds_of(dataset))
    await take_inventory(found, [*kinds], scope.wanted)


def _count(found: Collector) -> dict[EntityType, tuple[int, int]]:
    """By kind, the number of entities, and the number of those to ask for."""
    listed: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for rows in found.entities():
        listed.update(rows["entity_type"].to_pylist())
        asked.update(rows.filter(pc.is_null(rows["known_outcome"]))["entity_type"].to_pylist())
    return {kind: (listed[kind], asked[kind]) for kind in EntityType if listed[kind]}
