"""Checks what the token reaches in an organization: listings, settings of real entities, and names."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from audit.crawl.own_data import OwnDataGuard
from audit.crawl.reader import Reader
from audit.datasets import Dataset
from audit.datasets.dataset import ByUser
from audit.entity import Entity, EntityType
from audit.errors import AuditError, RefusedError
from audit.inventory import events, take_caller
from audit.inventory.entities import LISTINGS, list_items, refusal
from audit.inventory.listing import Json, Listing
from audit.inventory.organizations import Organization
from audit.inventory.people import PEOPLE, read_person
from audit.outcome import Outcome
from audit.run.check import Check, failed, unnamed
from audit.run.kinds import title_of
from audit.run.sample import Asked, sample
from audit.run.scope import RunScope
from audit.text import plural_of
from audit.webex import wire
from audit.webex.body import body_object
from audit.webex.client import Client
from audit.webex.errors import NotAcceptedError, NotListedError, ScopeError, TokenRefusedError

#: Items to list: the first of them may be without a license.
_PAGE = {"max": "100"}
#: The time of which the administrators' log is read, and the seconds that it may take.
_LOG, _LOG_LIMIT_S = timedelta(hours=1), 60.0


async def reach(client: Client, organization: Organization, scope: RunScope) -> list[Check]:
    """Check each dataset and kind of entity of a scope in an organization, then what only adds names.

    Raises:
        TokenRefusedError: the API refuses the token.
        AuditError: nothing of the organization is answered.
    """
    checks: list[Check] = []
    listed = [dataset for dataset in scope.datasets if not dataset.by_user]
    for kind in dict.fromkeys(kind for dataset in listed for kind in scope.kinds_of(dataset)):
        datasets = [dataset for dataset in listed if kind in scope.kinds_of(dataset)]
        checks += await _kind(client, organization, kind, datasets)
    for dataset in scope.datasets:
        if dataset.by_user:
            checks.append(await _users(client, organization, scope, dataset, dataset.by_user))
    is_reached = any(check.status != "failed" for check in checks)
    if is_reached and listed:
        checks.append(await _locations(client, organization))
    return checks


async def reach_log(client: Client, organization: Organization, now: datetime) -> Check:
    """Check whether the administrators' log can be read; a run is complete without it."""
    asked = events.Window(now - _LOG, now)
    log = await events.read_events(client, organization, asked, limit_s=_LOG_LIMIT_S, keeps_addresses=False)
    if log.status == "not read":
        return Check("admin-events", "warning", f"the log is not read, and a run is complete without: {log.message}")
    return Check("admin-events", "ok", f"the log was read, scope {events.SCOPE}")


async def _locations(client: Client, organization: Organization) -> Check:
    answer = await client.get("/locations", {**organization.params, "max": "1"})
    if answer.outcome is Outcome.OK:
        return Check("locations", "ok", "names were read")
    return Check("locations", "warning", unnamed("names can't be read", answer, "spark-admin:locations_read"))


async def _kind(client: Client, organization: Organization, kind: EntityType, datasets: list[Dataset]) -> list[Check]:
    """Whether a kind of entity can be listed, and each dataset read of it: one listing serves all."""
    listing, name = LISTINGS[kind], plural_of(kind).replace(" ", "-")
    try:
        entities = [listing.read(item, {}) for item in await _first_page(client, organization, listing)]
    except TokenRefusedError:
        raise
    except (ScopeError, NotListedError) as error:
        return [failed(name, await _refusal(client, organization, listing, error))]
    except AuditError as error:
        return [failed(name, error)]
    if len(datasets) == 1:
        return [await _settings(client, organization, entities, _asked(name, datasets[0], kind))]
    titles = {f"{title_of(dataset)} of {name}": dataset for dataset in datasets}
    reads = [
        await _settings(client, organization, entities, _asked(title, dataset, kind))
        for title, dataset in titles.items()
    ]
    return [Check(name, "ok", f"listed, scope {listing.scope}"), *reads]


def _asked(name: str, dataset: Dataset, kind: EntityType) -> Asked:
    return Asked(name, dataset, dataset.scopes[kind], "listed", LISTINGS[kind].scope)


async def _settings(client: Client, organization: Organization, entities: list[Entity], asked: Asked) -> Check:
    """Whether a dataset can be read for listed entities."""
    try:
        return await sample(Reader(client, asked.dataset, organization), entities, asked)
    except TokenRefusedError:
        raise
    except AuditError as error:
        return failed(asked.name, error)


async def _first_page(client: Client, organization: Organization, kind: Listing) -> list[Json]:
    """The first items of a listing; empty if it has none."""
    async for page in list_items(client, organization, kind, _PAGE):
        if page.items:
            return page.items
    return []


async def _refusal(
    client: Client, organization: Organization, kind: Listing, error: ScopeError | NotListedError
) -> AuditError:
    """Why a listing is refused: that of the token's own organization tells a missing scope from the other reasons."""
    if organization.is_own or isinstance(error, NotAcceptedError):
        return error
    answer = await client.get(kind.path, {**organization.params, **kind.params, "max": "1"})
    own = await client.get(kind.path, {**kind.params, "max": "1"})
    if own.outcome is not Outcome.OK or answer.outcome is Outcome.OK:
        return refusal(organization, error)
    return RefusedError(
        f"the token does not manage organization {organization.title}, or its role does not reach there: {kind.path} "
        f"is refused (HTTP {answer.status}), while that of the token's own organization is answered with the same "
        "scope; check --org-id, or use a token that manages it"
    ).saying(answer.message)


async def _users(
    client: Client, organization: Organization, scope: RunScope, dataset: Dataset, by_user: ByUser
) -> Check:
    """Whether the caller's own settings, or those of other users, can be read."""
    name = title_of(dataset)
    try:
        if scope.users.which == "self":
            asked = Asked(name, dataset, by_user.own_scope, "the token's own user")
            reader = Reader(client, dataset, organization, scope.sites)
            return await sample(reader, [await take_caller(client)], asked)
        guard = await OwnDataGuard.begin(client, dataset, by_user)
        others = await _others(client, organization)
        asked = Asked(name, dataset, dataset.scopes[EntityType.PERSON], "people are listed", PEOPLE.scope)
        return await sample(Reader(client, dataset, organization, scope.sites, guard), others, asked)
    except TokenRefusedError:
        raise
    except AuditError as error:
        return failed(name, error)


async def _others(client: Client, organization: Organization) -> Iterable[Entity]:
    """The first people with an email address, without the caller, whose settings need other rights."""
    me = await client.get("/people/me")
    own_id = wire.text(body_object(me.body).get("id")) if me.outcome is Outcome.OK else None
    people = map(read_person, await _first_page(client, organization, PEOPLE))
    return [each for each in people if each.email and each.entity_id != own_id]
