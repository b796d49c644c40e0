"""Finds the users whose settings are addressed by email address: the token's own, named ones, or all people."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec
import pyarrow as pa

from audit.entity import Entity, EntityType, entities_of, entity_table
from audit.errors import DeadlineError, RefusedError, UsageError
from audit.inventory.collector import Collector
from audit.inventory.entities import list_items
from audit.inventory.listing import Json
from audit.inventory.organizations import Organization
from audit.inventory.people import PEOPLE, read_person, texts_of
from audit.outcome import Outcome
from audit.webex.answer import Answer
from audit.webex.body import body_object
from audit.webex.client import Client
from audit.webex.errors import ForeignLinkError, NotListedError, ScopeError, TokenRefusedError, UnansweredError
from audit.webex.ids import usable

log = logging.getLogger(__name__)

#: Up to this many users are looked up one by one; for more, the whole directory is read.
MAX_LOOKUPS = 100
#: Ids in one request; the API takes 85 (`GET /people`, parameter `id`).
_IDS_AT_ONCE = 50
_ME = "/people/me"
_ME_SCOPE = "spark:people_read"


@dataclass(frozen=True)
class Users:
    """The users whose settings to read.

    Attributes:
        which: the token's own user, the users of `emails`, or all people of the organization.
        emails: email addresses, each once.
    """

    which: Literal["self", "named", "all"] = "self"
    emails: tuple[str, ...] = ()


async def take_users(collector: Collector, users: Users, ids: Collection[str] | None = None) -> None:
    """Find the users. The id of a user whom the directory does not know is the email address.

    Args:
        collector: takes the users; its organization is the token's own.
        users: the users to find.
        ids: find exactly the users with these ids, of an earlier inventory, instead.

    Raises:
        UsageError: only the token's own user is wanted, and `ids` names another.
        RefusedError: the token may not read its own user, or not list people if all are wanted.
        StoppedError: the directory can't be read.
    """
    me = await _me(collector.client, is_needed=users.which == "self")
    async for entities in _wanted(collector, users, ids, me):
        marked = [msgspec.structs.replace(each, is_caller=_is_same(each, me)) for each in entities]
        await collector.add([each if each.email or each.is_caller else _without_email(each) for each in marked])


async def _wanted(
    collector: Collector, users: Users, ids: Collection[str] | None, me: Entity | None
) -> AsyncIterator[list[Entity]]:
    if users.which == "self" and me:
        if ids is not None and me.entity_id not in ids:
            raise _another(me)
        yield [me]
    elif ids is not None:
        async for entities in _known_before(collector.client, collector.organization, ids):
            yield entities
    elif users.which == "all":
        async for page in list_items(collector.client, collector.organization, PEOPLE):
            collector.count_invalid(EntityType.PERSON, page.invalid)
            yield [read_person(item) for item in page.items]
    else:
        yield await _named(collector.client, collector.organization, users.emails)


async def renew_caller(client: Client, users: Users, entities: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Mark the caller anew in an inventory, for a resumed run: the token may be another user's by now.

    Args:
        client: the API.
        users: the users of the run.
        entities: the inventory (`audit.entity.INVENTORY_SCHEMA`).

    Raises:
        UsageError: only the token's own user is wanted, and the inventory has another; raised by the iterator.
        RefusedError: the token may not read its own user, who is wanted.
        StoppedError: the token's own user can't be read.
    """
    me = await _me(client, is_needed=users.which == "self")
    return (_renewed(rows, me, is_alone=users.which == "self") for rows in entities)


def _renewed(rows: pa.Table, me: Entity | None, *, is_alone: bool) -> pa.Table:
    marked = [msgspec.structs.replace(each, is_caller=_is_same(each, me)) for each in entities_of(rows)]
    if is_alone and me and me.entity_id not in {each.entity_id for each in marked}:
        raise _another(me)
    return entity_table(marked)


def _another(me: Entity) -> UsageError:
    return UsageError(
        f"a user other than {me.entity_name or me.entity_id} began this run: continue with that user's token, or "
        "start a new run"
    )


async def take_caller(client: Client) -> Entity:
    """The token's own user.

    Raises:
        RefusedError: the token may not read its own user.
        StoppedError: the token's own user can't be read.
    """
    answer, me = await _ask_for_caller(client)
    if me is None:
        raise client.unanswered(_ME, answer, _ME_SCOPE)
    return me


async def _me(client: Client, *, is_needed: bool) -> Entity | None:
    if is_needed:
        return await take_caller(client)
    answer, me = await _ask_for_caller(client)
    if me is None:
        log.info("the token's own user is not known: %s", client.unanswered(_ME, answer, _ME_SCOPE))
    return me


async def _ask_for_caller(client: Client) -> tuple[Answer, Entity | None]:
    answer = await client.get(_ME)
    item = body_object(answer.body) if answer.outcome is Outcome.OK else {}
    is_known = usable(item.get("id"))
    return answer, msgspec.structs.replace(read_person(item), is_caller=True) if is_known else None


def _is_same(one: Entity, me: Entity | None) -> bool:
    if me is None:
        return False
    return one.entity_id == me.entity_id or (one.email or "").lower() == (me.email or " ").lower()


def _without_email(entity: Entity) -> Entity:
    if entity.known_outcome:
        return entity
    reason = "the directory has no email address of this user"
    return msgspec.structs.replace(entity, known_outcome=Outcome.INVALID_RESPONSE, known_reason=reason)


async def _known_before(
    client: Client, organization: Organization, ids: Collection[str]
) -> AsyncIterator[list[Entity]]:
    """The users with the ids of an earlier inventory."""
    in_directory = [each for each in ids if "@" not in each]
    for start in range(0, len(in_directory), _IDS_AT_ONCE):
        asked = in_directory[start : start + _IDS_AT_ONCE]
        listed: dict[str, Entity] = {}
        invalid = 0
        async for page in list_items(client, organization, PEOPLE, {"id": ",".join(asked)}):
            listed |= {item["id"]: read_person(item) for item in page.items}
            invalid += page.invalid
        yield [listed.get(each) or _unlisted(each, is_certain=not invalid) for each in asked]
    yield [_unknown(each) for each in ids if "@" in each]


def _unlisted(entity_id: str, *, is_certain: bool) -> Entity:
    outcome = Outcome.NOT_FOUND if is_certain else Outcome.INVALID_RESPONSE
    reason = "no longer in the directory" if is_certain else "the directory answers with an item without a usable id"
    return Entity(EntityType.PERSON, entity_id, known_outcome=outcome, known_reason=reason)


def _unknown(email: str) -> Entity:
    return Entity(EntityType.PERSON, email, email=email)


async def _named(client: Client, organization: Organization, emails: tuple[str, ...]) -> list[Entity]:
    read = _read_until_found if len(emails) > MAX_LOOKUPS else _look_up
    items, reason = await read(client, organization, emails)
    if reason:
        log.warning("some users appear by email address only, because the directory can't be read: %s", reason)
    entities = [
        msgspec.structs.replace(items[email.lower()], known_outcome=None, known_reason=None)
        if email.lower() in items
        else _unknown(email)
        for email in emails
    ]
    # Several addresses may name the same user.
    return list({entity.entity_id: entity for entity in entities}.values())


#: People of the directory by email address, and why there may be too few.
_Lookup = tuple[dict[str, Entity], str | None]


async def _look_up(client: Client, organization: Organization, emails: tuple[str, ...]) -> _Lookup:
    reasons: list[str] = []

    async def look_up(email: str) -> dict[str, Entity]:
        params = {"email": email, "max": "10"}
        try:
            return {
                own: read_person(item)
                async for page in list_items(client, organization, PEOPLE, params)
                for item in page.items
                for own in _emails(item)
                if own == email.lower()
            }
        except (TokenRefusedError, DeadlineError):
            raise
        except (RefusedError, UnansweredError, ForeignLinkError) as error:
            reasons.append(f"{email}: {error}")
            return {}

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look_up(email)) for email in emails]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    items = {email: item for task in tasks for email, item in task.result().items()}
    return items, reasons[0] if reasons else None


async def _read_until_found(client: Client, organization: Organization, emails: tuple[str, ...]) -> _Lookup:
    missing = {email.lower() for email in emails}
    items: dict[str, Entity] = {}
    try:
        async for page in list_items(client, organization, PEOPLE):
            items |= {email: read_person(item) for item in page.items for email in _emails(item) if email in missing}
            if items.keys() >= missing:
                break
    except (ScopeError, NotListedError) as error:
        return items, str(error)
    return items, None


def _emails(item: Json) -> set[str]:
    return {email.lower() for email in texts_of(item, "emails")}
