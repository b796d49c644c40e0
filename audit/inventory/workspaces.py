"""Which entities an organization has: listed, deduplicated, sorted by id."""

import logging
from collections.abc import Collection
from typing import Any

import msgspec
import pyarrow as pa

from audit.entity import INVENTORY_SCHEMA, Entity, EntityType
from audit.errors import RefusedError, StoppedError, UsageError
from audit.outcome import Outcome
from audit.webex import ids, wire
from audit.webex.client import Client
from audit.webex.errors import NotListedError, ScopeError
from audit.webex.listing import pages

log = logging.getLogger(__name__)

#: Asked for a page; where the API allows less, it says so with a next link.
PAGE_SIZE = 1000
_WORKSPACES_SCOPE = "spark-admin:workspaces_read"

#: The documented values of `calling.type` (`GET /workspaces`) other than `webexCalling`. A new one is
#: asked for: only what is known to have no Webex Calling is left out.
_WITHOUT_WEBEX_CALLING = frozenset(
    {"freeCalling", "hybridCalling", "webexEdgeForDevices", "thirdPartySipCalling", "none"}
)


class Organization:
    """An organization that is audited.

    Attributes:
        org_id: its UUID, as the tables have it.
        webex_id: its id, as the API takes it.
        is_own: it is the token's own, so that requests need no `orgId`.
        name: its display name; None where the token may not read it.
    """

    def __init__(self, webex_id: str, *, is_own: bool, name: str | None = None) -> None:
        uuid = ids.uuid_of(webex_id)
        if uuid is None:
            raise StoppedError(f"the API names an organization by {webex_id!r}, which holds no UUID")
        self.org_id = uuid
        self.webex_id = webex_id
        self.is_own = is_own
        self.name = name

    @property
    def params(self) -> dict[str, str]:
        """The query that addresses it."""
        return {} if self.is_own else {"orgId": self.webex_id}


async def find_organization(client: Client, org_id: str | None) -> Organization:
    """The organization to audit, with its name where the token may read it.

    Args:
        client: the API.
        org_id: id or bare UUID of an organization; None for the token's own.

    Raises:
        UsageError: `org_id` is neither.
        TokenRefusedError: the token is refused.
        StoppedError: the token's own organization can't be found out.
    """
    if org_id is None:
        organization = Organization(await _own_id(client), is_own=True)
    elif (webex_id := ids.organization_id(org_id)) is None:
        raise UsageError(
            f"organization {org_id!r}: expected its id as GET /organizations gives it (Y2lzY29…), or its UUID"
        )
    else:
        organization = Organization(webex_id, is_own=False)
    organization.name = await _name_of(client, organization.org_id)
    return organization


async def _own_id(client: Client) -> str:
    answer = await client.get("/people/me")
    if answer.outcome in (Outcome.TIMEOUT, Outcome.SERVER_ERROR, Outcome.THROTTLED, Outcome.INVALID_RESPONSE):
        raise client.unanswered("/people/me", answer, "spark:people_read")
    found = _text(wire.body_object(answer.body).get("orgId")) if answer.outcome is Outcome.OK else None
    if not found and answer.outcome is Outcome.FORBIDDEN:
        # A service app may lack spark:people_read; its workspaces name the organization as well.
        async for page in pages(client, "/workspaces", {"max": "1"}, "items", scope=_WORKSPACES_SCOPE):
            found = next((text for item in _objects(page) if (text := _text(item.get("orgId")))), None)
            break
    if not found:
        raise StoppedError(
            f"the token's own organization could not be found out (GET /people/me: HTTP {answer.status}, "
            f"{answer.message or 'no orgId'}): check webex.base_url, or name the organization with --org-id"
        )
    return found


async def _name_of(client: Client, org_id: str) -> str | None:
    answer = await client.get("/organizations")
    if answer.outcome is not Outcome.OK:
        log.info("organization names can't be read (%s): going on without", answer.message)
        return None
    for item in _objects(wire.page_items(answer.body, "items") or []):
        if ids.uuid_of(_text(item.get("id")) or "") == org_id:
            return _text(item.get("displayName"))
    return None


async def take_inventory(client: Client, organization: Organization, wanted: Collection[str] | None) -> pa.Table:
    """The workspaces of an organization.

    Args:
        client: the API.
        organization: whose.
        wanted: take exactly these ids instead of all; the listing is then read only until it has
            named each of them.

    Returns:
        A table of `INVENTORY_SCHEMA`, sorted by `entity_id`, each id once.

    Raises:
        RefusedError: the token may not list workspaces, or the API lists another organization's.
        StoppedError: the listing could not be finished.
    """
    wanted = None if wanted is None else frozenset(wanted)
    params = {**organization.params, "max": str(PAGE_SIZE)}
    found: dict[str, Entity] = {}
    missing = set(wanted) if wanted is not None else None
    async for page in pages(client, "/workspaces", params, "items", scope=_WORKSPACES_SCOPE, probe=True):
        for item in _objects(page):
            _refuse_other_organization(item, organization)
            workspace = _workspace(item)
            if workspace and workspace.entity_id not in found and (wanted is None or workspace.entity_id in wanted):
                found[workspace.entity_id] = workspace
        if missing is not None and not (missing := missing - found.keys()):
            break
    for entity_id in missing or ():
        found[entity_id] = Entity(EntityType.WORKSPACE, entity_id)
    location_names = await _location_names(client, organization) if any(e.location_id for e in found.values()) else {}
    rows = [msgspec.to_builtins(found[entity_id]) for entity_id in sorted(found)]
    for row in rows:
        row["location_name"] = location_names.get(row["location_id"])
    return pa.Table.from_pylist(rows, schema=INVENTORY_SCHEMA)


async def _location_names(client: Client, organization: Organization) -> dict[str, str]:
    names: dict[str, str] = {}
    params = {**organization.params, "max": str(PAGE_SIZE)}
    try:
        async for page in pages(client, "/locations", params, "items", scope="spark-admin:locations_read"):
            for item in _objects(page):
                location_id, name = _text(item.get("id")), _text(item.get("name"))
                if location_id and name:
                    names[location_id] = name
    except (ScopeError, NotListedError) as error:
        log.info("location names can't be read (%s): going on without", error)
    return names


def _workspace(item: dict[str, Any]) -> Entity | None:
    entity_id = _text(item.get("id"))
    if not entity_id:
        log.warning("a workspace without an id is in the listing: it can't be asked for")
        return None
    calling = item.get("calling")
    calling_type = _text(calling.get("type")) if isinstance(calling, dict) else None
    return Entity(
        EntityType.WORKSPACE,
        entity_id,
        _text(item.get("displayName")),
        _text(item.get("locationId")),
        not_licensed_reason=f"the inventory says calling type {calling_type}"
        if calling_type in _WITHOUT_WEBEX_CALLING
        else None,
    )


def _refuse_other_organization(item: dict[str, Any], organization: Organization) -> None:
    told = ids.uuid_of(_text(item.get("orgId")) or "")
    if told and told != organization.org_id:
        raise RefusedError(
            f"asked for organization {organization.org_id}, the API lists workspaces of {told}: the token may not act "
            "on the one asked for"
        )


def _objects(items: list[Any]) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
