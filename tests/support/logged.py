"""Organizations with events of our own in the administrators' log, and what a snapshot holds of them."""

import base64
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import pyarrow.dataset as ds

from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot

#: Between the two nights of `audited_twice` (`nights.NightlyClock`).
MIDNIGHT = "2026-11-22T03:00:00.000Z"
PLAIN = Organization(24, odd=False, people=40, virtual_lines=6)


@dataclass(frozen=True)
class Logged(Organization):
    """An organization whose log holds these events at any time, whatever time a request names."""

    log: tuple[Any, ...] = ()
    answers: dict[int, Json] = field(default_factory=dict)

    def events(self, since: datetime, until: datetime) -> list[Any]:
        return [*self.log]

    def push_to_talk(self, index: int) -> Json:
        return super().push_to_talk(index) | self.answers.get(index, {})


def logged(*log: Any, of: Organization = PLAIN, answers: dict[int, Json] | None = None) -> Logged:
    """An organization with these events, and some other answers."""
    same = {each.name: getattr(of, each.name) for each in fields(Organization)}
    return Logged(**same, log=log, answers=answers or {})


def event(number: int = 1, created: str | None = MIDNIGHT, **data: Any) -> Json:
    """An event; `data` is added to that of an ordinary one."""
    ordinary = {
        "actorName": "Dana Sato",
        "actorEmail": "dana@example.com",
        "eventCategory": "WEBEX_CALLING",
        "eventDescription": "Settings were updated.",
    }
    item: Json = {"id": bare(f"00000000-0000-4000-8000-{number:012d}"), "actorId": "admin", "data": ordinary | data}
    return item | ({"created": created} if created else {})


def bare(uuid: str) -> str:
    """The base64 of a bare UUID."""
    return base64.b64encode(uuid.encode()).decode()


def uuid_of(webex_id: str) -> str:
    """The UUID in an id of the API."""
    return base64.b64decode(webex_id + "=" * (-len(webex_id) % 4)).decode().rpartition("/")[2]


def rows_of(snapshot: Snapshot) -> list[Json]:
    """The rows of `admin_events`."""
    found: list[Json] = ds.dataset(snapshot.path / "admin_events", partitioning="hive").to_table().to_pylist()
    return found
