"""Users whose settings are addressed by mail address: the token's own, those named, or all people."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import msgspec

from audit.entity import Entity, EntityType, Inventory, inventory_table
from audit.inventory.kind import Json
from audit.inventory.listed import list_items, with_location_names
from audit.inventory.people import PEOPLE, read_person
from audit.organizations import Organization
from audit.outcome import Outcome
from audit.webex import wire
from audit.webex.client import Client
from audit.webex.errors import NotListedError, ScopeError

log = logging.getLogger(__name__)

#: So many users are looked up one by one; for more of them, the directory is read.
MAX_LOOKUPS = 100
_ME = "/people/me"
_ME_SCOPE = "spark:people_read"


@dataclass(frozen=True)
class Users:
    """Whose settings are wanted.

    Attributes:
        which: the token's own user, those of `emails`, or all people of the organization.
        emails: mail addresses, each once.
    """

    which: Literal["self", "named", "all"] = "self"
    emails: tuple[str, ...] = ()


async def take_users(
    client: Client, organization: Organization, users: Users, ids: Collection[str] | None = None
) -> Inventory:
    """The users as an inventory; one whom the directory does not know has the mail address for its id.

    Args:
        client: the API.
        organization: the token's own.
        users: whose settings are wanted.
        ids: take exactly the users of these ids instead, as an earlier inventory had them.

    Raises:
        RefusedError: the token may not tell its own user, or not list people where all are wanted.
        StoppedError: the directory can't be read.
    """
    me = await _me(client, is_needed=users.which == "self")
    if users.which == "self" and me:
        found = {me.entity_id: me}
    elif ids is not None:
        found = _known_before(ids, await _all(client, organization))
    elif users.which == "all":
        found = await _all(client, organization)
    else:
        found = await _named(client, organization, users.emails)
    if me:
        own = {each.entity_id for each in found.values() if _is_same(each, me)}
        found |= {each: msgspec.structs.replace(found[each], is_caller=True) for each in own}
    entities = [_without_email(each) if each.email is None else each for each in found.values()]
    return Inventory(inventory_table(await with_location_names(client, organization, entities)))


async def _me(client: Client, *, is_needed: bool) -> Entity | None:
    answer = await client.get(_ME)
    item = wire.body_object(answer.body) if answer.outcome is Outcome.OK else {}
    if wire.text(item.get("id")):
        return read_person(item)
    if is_needed:
        raise client.unanswered(_ME, answer, _ME_SCOPE)
    log.info("the token's own user can't be read (%s)", answer.message)
    return None


def _is_same(one: Entity, other: Entity) -> bool:
    return one.entity_id == other.entity_id or (one.email or "").lower() == (other.email or " ").lower()


def _without_email(entity: Entity) -> Entity:
    if entity.known_outcome:
        return entity
    reason = "the directory names no mail address"
    return msgspec.structs.replace(entity, known_outcome=Outcome.INVALID_RESPONSE, known_reason=reason)


async def _all(client: Client, organization: Organization) -> dict[str, Entity]:
    return {
        item["id"]: read_person(item)
        async for items in list_items(client, organization, PEOPLE)
        for item in reversed(items)
    }


def _known_before(ids: Collection[str], listed: dict[str, Entity]) -> dict[str, Entity]:
    return {each: listed.get(each) or _unlisted(each) for each in ids}


def _unlisted(entity_id: str) -> Entity:
    if "@" in entity_id:
        return _unknown(entity_id)
    reason = "no longer in the directory"
    return Entity(EntityType.PERSON, entity_id, known_outcome=Outcome.NOT_FOUND, known_reason=reason)


def _unknown(email: str) -> Entity:
    return Entity(EntityType.PERSON, email, email=email)


async def _named(client: Client, organization: Organization, emails: tuple[str, ...]) -> dict[str, Entity]:
    try:
        if len(emails) > MAX_LOOKUPS:
            items = await _read_until_found(client, organization, emails)
        else:
            items = await _look_up(client, organization, emails)
    except (ScopeError, NotListedError) as error:
        log.warning("users are told by mail address alone, as the directory can't be read: %s", error)
        items = {}
    entities = [
        msgspec.structs.replace(read_person(items[email.lower()]), known_outcome=None, known_reason=None)
        if email.lower() in items
        else _unknown(email)
        for email in emails
    ]
    return {entity.entity_id: entity for entity in entities}


async def _look_up(client: Client, organization: Organization, emails: tuple[str, ...]) -> dict[str, Json]:
    async def look_up(email: str) -> dict[str, Json]:
        params = {"email": email, "max": "10"}
        return {
            own: item
            async for items in list_items(client, organization, PEOPLE, params)
            for item in items
            for own in _emails(item)
            if own == email.lower()
        }

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look_up(email)) for email in emails]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return {email: item for task in tasks for email, item in task.result().items()}


async def _read_until_found(client: Client, organization: Organization, emails: tuple[str, ...]) -> dict[str, Json]:
    missing = {email.lower() for email in emails}
    found: dict[str, Json] = {}
    async for items in list_items(client, organization, PEOPLE):
        found |= {email: item for item in items for email in _emails(item) if email in missing}
        if found.keys() >= missing:
            break
    return found


def _emails(item: Json) -> set[str]:
    emails = item.get("emails")
    return {email.lower() for email in map(wire.text, emails if isinstance(emails, list) else []) if email}
