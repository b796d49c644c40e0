"""Audits the organizations of a run side by side, in this process or on a cluster."""

import hashlib
import logging
from asyncio import TaskGroup
from collections import deque
from typing import Protocol

from audit.clock import Clock
from audit.errors import AuditError, Reach, RefusedError
from audit.run import rates as memory
from audit.run.organization import OrganizationAudit
from audit.threads import in_thread

log = logging.getLogger(__name__)

#: Organizations at once in one process; each keeps some batches in memory.
_AT_ONCE = 20
#: Seconds between the first starts, so that they do not coincide; shorter where there are more places.
_SPREAD_S = 1.0


class Engine(Protocol):
    """Audits organizations.

    Attributes:
        places: organizations at once.
    """

    places: int

    async def audit(self, one: OrganizationAudit, place: int) -> None:
        """Audit one organization.

        Args:
            one: the organization.
            place: a place that no other organization has meanwhile, from 0 to `places` - 1.

        Raises:
            EngineError: the engine is gone, so no other organization can be audited either.
            AuditError: as `OrganizationAudit.run`.
            OSError: as `OrganizationAudit.run`.
        """


class LocalEngine:
    """Audits organizations in this process."""

    places = _AT_ONCE

    async def audit(self, one: OrganizationAudit, place: int) -> None:  # noqa: ARG002
        """Audit one organization, beginning with what the last run believed of its limit."""
        client, org_id = one.client, one.organization.org_id
        if belief := await in_thread(memory.recall, client.base_url, org_id):
            client.pace.start_from(belief)
        try:
            await one.run()
        finally:
            one.belief = client.pace.belief
            await in_thread(memory.remember, client.base_url, org_id, one.belief)


async def audit_all(runs: list[OrganizationAudit], engine: Engine, clock: Clock) -> dict[str, AuditError]:
    """Audit all organizations.

    Returns:
        What stopped the organizations that failed, by UUID; empty for a single organization, whose error is raised.

    Raises:
        AuditError: no organization could be audited.
    """
    if len(runs) == 1:
        await engine.audit(runs[0], 0)
        return {}
    stopped = await _side_by_side(runs, engine, clock)
    if len(stopped) == len(runs):
        # An error that leaves something to resume goes first: then the run should be resumed.
        errors = [stopped[each.organization.org_id] for each in runs]
        first = min(errors, key=lambda error: isinstance(error, RefusedError))
        text = f"none of {len(runs)} organizations could be audited; the first: {first}"
        raise type(first)(text).saying(first.said) from first
    return stopped


async def _side_by_side(runs: list[OrganizationAudit], engine: Engine, clock: Clock) -> dict[str, AuditError]:
    stopped: dict[str, AuditError] = {}
    # The order is the same every night, and differs from that of other clients: the vendor advises
    # spreading organizations by a hash ("Rate Limiting", developer.webex.com).
    waiting = deque(sorted(runs, key=lambda each: hashlib.sha256(each.organization.org_id.encode()).digest()))
    gap_s = _SPREAD_S * min(1, _AT_ONCE / engine.places)

    async def work(place: int) -> None:
        for _ in range(place):
            if waiting:
                await clock.sleep(gap_s)
        while waiting:
            one = waiting.popleft()
            try:
                await engine.audit(one, place)
            except AuditError as error:
                if error.reach is Reach.RUN:
                    raise
                stopped[one.organization.org_id] = error
                name = one.organization.name or "name not known"
                log.error("organization %s (%s): %s", one.organization.org_id, name, error)

    try:
        async with TaskGroup() as group:
            for place in range(min(engine.places, len(runs))):
                group.create_task(work(place))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return stopped
