"""Lists the entities of an organization, kind by kind: all of them, or the workspaces with given ids."""

from collections.abc import AsyncIterator, Collection
from typing import NamedTuple

from audit.entity import Entity, EntityType
from audit.errors import AuditError, RefusedError
from audit.inventory.collector import Collector
from audit.inventory.devices import Listed
from audit.inventory.listing import Json, Listing
from audit.inventory.names import read_names
from audit.inventory.organizations import Organization
from audit.inventory.paging_groups import PAGING_GROUPS
from audit.inventory.people import CALLING_PEOPLE, LICENSES
from audit.inventory.virtual_lines import VIRTUAL_LINES
from audit.inventory.workspaces import WORKSPACES
from audit.webex import ids, wire
from audit.webex.client import Client
from audit.webex.errors import NotAcceptedError, NotListedError, PageTooLongError, ScopeError, UnansweredError
from audit.webex.paging import pages

LISTINGS = {
    EntityType.WORKSPACE: WORKSPACES,
    EntityType.PERSON: CALLING_PEOPLE,
    EntityType.VIRTUAL_LINE: VIRTUAL_LINES,
    EntityType.PAGING_GROUP: PAGING_GROUPS,
}


#: Asks for the devices of workspaces; with fewer workspaces in a page if the page would be too long.
_DEVICES = ({"includeDevices": "true"}, {"includeDevices": "true", "max": "250"})


class Page(NamedTuple):
    """A page of a listing: the items with a usable id (`audit.webex.ids.usable`), and the number of other items."""

    items: list[Json]
    invalid: int


async def take_inventory(
    collector: Collector, kinds: Collection[EntityType], wanted: Collection[str] | None = None
) -> None:
    """List the entities of an organization.

    Args:
        collector: takes the entities. It also notes each kind that the token may not list, while the other kinds go
            on, and counts the items that name no entity.
        kinds: the kinds of entity to list.
        wanted: take exactly the workspaces with these ids instead of all; the listing is read until it has named
            each of them.

    Raises:
        RefusedError: the token may list none of the kinds, or the API lists another organization's entities.
        StoppedError: a listing could not be finished.
    """
    errors: list[ScopeError | NotListedError] = []
    for kind in kinds:
        try:
            with collector.all_or_none():
                await _take_kind(collector, kind, wanted)
        except (ScopeError, NotListedError) as error:
            errors.append(error)
            collector.unlisted[kind] = str(error)
    if errors and len(errors) == len(kinds):
        raise refusal(collector.organization, errors[0])


def refusal(organization: Organization, error: ScopeError | NotListedError) -> AuditError:
    """The error for a listing that the token may not read, with all possible reasons.

    The API answers with 403, 404 or 400 for an organization that the token does not manage.
    """
    if organization.is_own or isinstance(error, NotAcceptedError):
        return error
    return RefusedError(f"{error}; or the token does not manage organization {organization.org_id}").saying(error.said)


async def _take_kind(collector: Collector, kind: EntityType, wanted: Collection[str] | None) -> None:
    """List a kind of entity, with devices where the API gives them: who is audited does not depend on devices."""
    if not (collector.asks_devices and LISTINGS[kind].read_devices):
        await _take(collector, kind, wanted)
        return
    refused: ScopeError | UnansweredError | None = None
    for params in _DEVICES:
        refused = await _refused_devices(collector, kind, wanted, params)
        if not isinstance(refused, PageTooLongError):
            break
    if refused:
        await _take(collector, kind, wanted)
    # The words for a 403 name the scope of the listing, which the token has.
    collector.note_devices("the API refuses them to this token" if isinstance(refused, ScopeError) else refused)


async def _refused_devices(
    collector: Collector, kind: EntityType, wanted: Collection[str] | None, params: Json
) -> ScopeError | UnansweredError | None:
    """List a kind of entity with devices, or return why that is not possible."""
    try:
        with collector.all_or_none():
            await _take(collector, kind, wanted, params)
    except (ScopeError, UnansweredError) as error:
        return error
    return None


async def _take(
    collector: Collector, kind: EntityType, wanted: Collection[str] | None, params: Json | None = None
) -> None:
    listing = LISTINGS[kind]
    read_devices = listing.read_devices if params else None
    missing = set(wanted) if wanted is not None else None
    licenses: dict[str, str] = {}
    if listing.needs_licenses:
        licenses = (await read_names(collector.client, LICENSES, collector.organization.params)).by_key
    async for page in list_items(collector.client, collector.organization, listing, params):
        named = [item for item in page.items if missing is None or item["id"] in missing]
        devices = [read_devices(item) for item in named] if read_devices else None
        await collector.add([listing.read(item, licenses) for item in named], devices)
        if missing is None:
            collector.count_invalid(kind, page.invalid)
        else:
            missing -= {item["id"] for item in named}
            if not missing:
                break
    unlisted = [Entity(EntityType.WORKSPACE, entity_id) for entity_id in missing or ()]
    await collector.add(unlisted, [Listed()] * len(unlisted) if read_devices else None)


async def list_items(
    client: Client, organization: Organization, kind: Listing, params: Json | None = None
) -> AsyncIterator[Page]:
    """The pages of the listing of a kind of entity.

    Raises:
        RefusedError: the token may not list them (403), or the API lists another organization's entities.
        StoppedError: the listing could not be finished.
    """
    query = {**organization.params, **kind.params, **(params or {})}
    async for page in pages(client, kind.path, query, kind.key, scope=kind.scope, probe=kind.probe):
        objects = wire.objects(page)
        for item in objects:
            _refuse_other_organization(item, organization)
        items = [item for item in objects if ids.usable(item.get("id"))]
        yield Page(items, len(page) - len(items))


def _refuse_other_organization(item: Json, organization: Organization) -> None:
    org_id = ids.uuid_of(wire.text(item.get("orgId")) or "")
    if org_id and org_id != organization.org_id:
        raise RefusedError(
            f"the API lists entities of organization {org_id} in place of {organization.org_id}: the token may not "
            "act on the latter"
        )
