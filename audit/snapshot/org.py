"""An organization in the manifest: its status, and what is missing from its audit."""

from typing import Annotated, Literal

import msgspec

from audit.snapshot.values import Count, Kind, Name, Time, Uuid

OrgStatus = Literal["complete", "partial", "refused", "unanswered"]


class Limit(msgspec.Struct, frozen=True):
    """What a run believed of the limit on requests when it ended.

    Attributes:
        kind: `rate`, `window`, `at-once`, `noise`, or `none`.
        text: the belief in words.
        per_s: requests per second that it lets through, pauses included; None if unknown.
    """

    kind: str
    text: str
    per_s: Annotated[float, msgspec.Meta(ge=0)] | None = None


class AdminEvents(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """What was read of the administrators' log of an organization.

    Attributes:
        since, until: the time that was asked for.
        status: `cut short` if the log may hold more events of that time.
        events: the number of events in the table `admin_events`.
        message: what is missing, and why; None if nothing is.
    """

    since: Time
    until: Time
    status: Literal["read", "cut short", "not read"]
    events: Count = 0
    message: str | None = None


class Org(msgspec.Struct, frozen=True):
    """An organization of a snapshot.

    Attributes:
        org_id: its UUID, as in the tables.
        name: its display name; None if the token may not read it.
        status: `complete` if every entity has a complete answer, `refused` or `unanswered` if nothing of it could
            be audited.
        entities: the number of its entities in all inventories, without duplicates.
        unlisted: by dataset, the kinds of entity that the token may not list, each with the reason.
        message: what stopped its audit; None if nothing did.
        webex_id: its id in the form that the API takes.
        doubts: by dataset, the kinds of entity of which many are `not_found` although the listing names them, each
            with the counts.
        invalid_items: by dataset, the kinds of entity whose listing holds items without a usable id, each with the
            number of such items: nobody knows what they stand for.
        unnamed_locations: the number of entities whose location has no name, because the names could not be read.
        unoffered: by dataset, the kinds of entity whose settings the API does not seem to offer to the organization
            yet, each with the counts.
        other_paths: by dataset, the kinds of entity whose settings were not read at the documented path, each with the
            paths.
        limit: the limit on requests, as far as the run met it; None if nothing was throttled.
        context: its context tables (`audit.snapshot.context`), each with what is missing from it; None for nothing.
        admin_events: what was read of the administrators' log; None if that was not asked for.
        forbidden: by dataset, the kinds of entity of which the token may read none, each with the count and the scope.
    """

    org_id: Uuid
    name: str | None
    status: OrgStatus
    entities: Count
    unlisted: dict[Name, dict[Kind, str]] = {}
    message: str | None = None
    webex_id: str | None = None
    doubts: dict[Name, dict[Kind, str]] = {}
    invalid_items: dict[Name, dict[Kind, Count]] = {}
    unnamed_locations: Count = 0
    limit: Limit | None = None
    unoffered: dict[Name, dict[Kind, str]] = {}
    other_paths: dict[Name, dict[Kind, str]] = {}
    context: dict[Name, str | None] = {}
    admin_events: AdminEvents | None = None
    forbidden: dict[Name, dict[Kind, str]] = {}

    @property
    def is_audited(self) -> bool:
        """Whether anything of it could be audited."""
        return self.status in ("complete", "partial")

    @property
    def is_listed(self) -> bool:
        """Whether each listing could be read, and each item names an entity."""
        return not self.unlisted and not self.invalid_items
