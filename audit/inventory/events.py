"""Reads the administrators' log of an organization within a bounded time and memory: an audit goes on without it."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa

from audit.errors import AuditError
from audit.inventory.event_rows import rows_of
from audit.inventory.organizations import Organization
from audit.snapshot.context.admin_events import ADMIN_EVENTS_SCHEMA
from audit.text import count_of
from audit.threads import in_thread
from audit.untrusted.bounds import ANSWER_BYTES
from audit.webex import wire
from audit.webex.client import Client
from audit.webex.errors import UnansweredError
from audit.webex.paging import Rules, pages

log = logging.getLogger(__name__)

SCOPE = "audit:events_read"
#: A log without events takes this many requests.
LEAST_REQUESTS = 1
_PATH = "/adminAudit/events"
#: The most events of a page that the API gives.
_PAGE_SIZE = "200"
#: Texts of an event may be long, and few logs are read at once.
_RULES = Rules(start="offset", is_end_needed=True, most_bytes=ANSWER_BYTES)
#: The most events of an organization, and the most bytes of their rows, that are kept.
MOST_EVENTS = 200_000
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Window:
    """The time of which a log is read: after `since` and before `until`."""

    since: datetime
    until: datetime

    @property
    def params(self) -> dict[str, str]:
        """The query; the API takes times with milliseconds only."""
        return {"from": _stamp(self.since), "to": _stamp(self.until)}


@dataclass(frozen=True)
class Events:
    """The events of a log.

    Attributes:
        rows: the events as rows of `admin_events`, in order.
        status: `cut short` if the log may hold more events of the time.
        message: what is missing, and why; None if nothing is.
    """

    rows: pa.Table
    status: Literal["read", "cut short", "not read"]
    message: str | None = None


async def read_events(
    client: Client, organization: Organization, window: Window, *, limit_s: float, keeps_addresses: bool
) -> Events:
    """Read the events of a time, or as many of them as the log gives before it fails. Never raises an `AuditError`.

    Args:
        client: the API.
        organization: whose log to read.
        window: the time.
        limit_s: the most seconds that it may take.
        keeps_addresses: keep addresses and user agents, which are personal data.
    """
    found = _Found(organization.org_id, keeps_addresses=keeps_addresses)
    error: str | None = None
    try:
        async with asyncio.timeout(limit_s) as limit:
            await _read(client.hurried(limit_s), organization, window, found)
    except TimeoutError:
        if not limit.expired():
            raise
        error = f"{_PATH} is not read to its end after {limit_s:.0f} s"
    except AuditError as stopped:
        error = str(stopped)
    if error and not found.is_begun:
        return Events(ADMIN_EVENTS_SCHEMA.empty_table(), "not read", error)
    message = "; ".join(filter(None, (error, found.doubt))) or None
    return Events(await in_thread(found.in_order), "cut short" if message else "read", message)


async def _read(client: Client, organization: Organization, window: Window, found: "_Found") -> None:
    params = {"orgId": organization.webex_id, **window.params, "max": _PAGE_SIZE}
    async for page in pages(client, _PATH, params, "items", scope=SCOPE, probe=True, rules=_RULES):
        await in_thread(found.add, page)


@dataclass
class _Found:
    """The events so far, each once."""

    org_id: str
    keeps_addresses: bool
    is_begun: bool = False
    _invalid: int = 0
    _seen: set[int] = field(default_factory=set)
    _tables: list[pa.Table] = field(default_factory=list)
    _bytes: int = 0

    @property
    def doubt(self) -> str | None:
        """What the listing holds that is not an event, in words; None if there is nothing."""
        return f"the log lists {count_of(self._invalid, 'item')} that no event has" if self._invalid else None

    def add(self, page: list[Any]) -> None:
        """Keep the events of a page.

        Raises:
            UnansweredError: there are too many.
        """
        self.is_begun = True
        items = wire.objects(page)
        self._invalid += len(page) - len(items)
        rows = rows_of(self._new(items), self.org_id, keeps_addresses=self.keeps_addresses)
        self._tables.append(rows)
        self._bytes += rows.nbytes
        if len(self._seen) > MOST_EVENTS or self._bytes > MOST_BYTES:
            raise UnansweredError(
                f"{_PATH} lists more than {MOST_EVENTS:,} events, or {MOST_BYTES >> 20} MiB of them, from one time to "
                "the next: run more often"
            )

    def in_order(self) -> pa.Table:
        """All events, sorted."""
        rows = pa.concat_tables([ADMIN_EVENTS_SCHEMA.empty_table(), *self._tables])
        return rows.sort_by([("created", "ascending"), ("event_id", "ascending")])

    def _new(self, items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The events that no page before has; all that it says tells an event without an id from others."""
        for item in items:
            key = hash(wire.text(item.get("id")) or json.dumps(item))
            if key not in self._seen:
                self._seen.add(key)
                yield item


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
