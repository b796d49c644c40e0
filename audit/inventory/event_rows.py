"""Events of the administrators' log as rows of `admin_events`. No field of an event is required, and more may come."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from audit.inventory.event_masks import Hide, Mask, mask_for
from audit.snapshot.context.admin_events import ADMIN_EVENTS_SCHEMA
from audit.text import count_of
from audit.untrusted.bounds import NAME_CHARS
from audit.untrusted.decoding import UndecodableError, json_of
from audit.webex import ids, wire

Json = dict[str, Any]

#: Characters of the texts of an event, of a value in `extra`, and of all of `extra`.
_TEXT_CHARS, _VALUE_CHARS, _EXTRA_CHARS = 4000, 1000, 8000
_KEY_CHARS = 100
#: Levels, and members of a list or object, in `extra`.
_LEVELS, _MEMBERS = 6, 100
_LARGEST = 1 << 63
_MORE = "…"
_YEARS = range(2000, 9000)
_CLIENT = ("actorClientName", "actionClientName", "actorClientId", "actionClientId", "clientId")


def rows_of(items: Iterable[Json], org_id: str, *, keeps_addresses: bool) -> pa.Table:
    """The rows of events, in their order.

    Args:
        items: the events as they came.
        org_id: UUID of the organization.
        keeps_addresses: keep addresses and user agents, which are personal data.
    """
    rows = [{"org_id": org_id, **_Event(item, keeps_addresses=keeps_addresses).row()} for item in items]
    return pa.Table.from_pylist(rows, schema=ADMIN_EVENTS_SCHEMA)


class _Event:
    """An event whose fields are taken one by one; what is left is `extra`."""

    def __init__(self, item: Json, *, keeps_addresses: bool) -> None:
        self._mask: Mask = mask_for(item, keeps_addresses=keeps_addresses)
        self._outer = dict(item)
        data = self._outer.pop("data", None)
        self._data: Json = dict(data) if isinstance(data, dict) else {} if data is None else {"data": data}

    def row(self) -> Json:
        mask = self._mask
        target_id = self._taken("targetId", mask.name)
        return {
            "event_id": self._taken("id", mask.name, self._outer),
            "created": self._created(),
            "category": _without_prefix(self._taken("eventCategory", mask.name)),
            "description": self._taken("eventDescription", mask.worded, most=_TEXT_CHARS),
            "action_text": self._taken("actionText", mask.quoting, most=_TEXT_CHARS),
            "target_type": _without_prefix(self._taken("targetType", mask.name)),
            "target_id": target_id,
            "target_uuid": ids.uuid_within(target_id) if target_id else None,
            "target_name": self._taken("targetName", mask.text),
            "actor_id": self._taken("actorId", mask.name, self._outer),
            "actor_name": self._taken("actorName", mask.text),
            "actor_email": self._taken("actorEmail", mask.name),
            "actor_org_id": self._taken("actorOrgId", mask.name, self._outer),
            "actor_client": self._client(),
            "error_code": self._taken("errorCode", mask.name),
            "tracking_id": self._taken("trackingId", mask.name),
            "extra": self._extra(),
        }

    def _taken(self, key: str, hide: Hide, source: Json | None = None, *, most: int = NAME_CHARS) -> str | None:
        """Take a field that is a text or a number; another value, or none, stays for `extra`."""
        source = self._data if source is None else source
        value = source.get(key)
        if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
            return None
        del source[key]
        # What is hidden comes before the cut: half a secret is not recognized any more.
        return _cut(hide(str(value)), most)

    def _created(self) -> datetime | None:
        """When the event was recorded; a text that is not a time stays for `extra`."""
        text = wire.text(self._outer.get("created"))
        try:
            at = datetime.fromisoformat(text.strip()) if text and len(text) < _KEY_CHARS else None
            at = at and (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            at = None
        if at is None or at.year not in _YEARS:
            return None
        del self._outer["created"]
        return at

    def _client(self) -> str | None:
        found = (self._taken(key, self._mask.text) for key in _CLIENT)
        return next((client for client in found if client), None)

    def _extra(self) -> str | None:
        rest = {**self._outer, **self._data}
        kept: Json = {}
        size = left_out = 0
        for key, value in rest.items():
            if self._mask.drops(key):
                continue
            tidy = {_cut(self._mask.name(key), _KEY_CHARS): self._tidied(key, value, _LEVELS)}
            size += len(_encoded(tidy))
            if size > _EXTRA_CHARS - 2 * _KEY_CHARS:
                left_out += 1
            else:
                kept |= tidy
        if left_out:
            kept[_MORE] = f"{count_of(left_out, 'more field is', 'more fields are')} left out"
        return _encoded(kept) if kept else None

    def _tidied(self, key: str, value: Any, levels: int) -> Any:
        """A value without secrets, of bounded size and depth."""
        if isinstance(value, (dict, list)):
            return self._tidied_within(key, value, levels) if levels else _MORE
        if isinstance(value, str) and levels and (within := _json_in(value)) is not None:
            return _cut(_encoded(self._tidied_within(key, within, levels)), _VALUE_CHARS)
        tidy = self._mask.value(key, value)
        if isinstance(tidy, str):
            return _cut(tidy, _VALUE_CHARS)
        # JSON has no infinity, and others read no larger integers.
        is_number = tidy is None or (math.isfinite(tidy) and abs(tidy) < _LARGEST)
        return tidy if is_number else _cut(str(tidy), _VALUE_CHARS)

    def _tidied_within(self, key: str, value: Json | list[Any], levels: int) -> Any:
        if isinstance(value, list):
            items = [self._tidied(key, each, levels - 1) for each in value[:_MEMBERS]]
            return [*items, _MORE] if len(value) > _MEMBERS else items
        members = [pair for pair in value.items() if not self._mask.drops(pair[0])]
        found = {
            _cut(self._mask.name(name), _KEY_CHARS): self._tidied(name, each, levels - 1)
            for name, each in members[:_MEMBERS]
        }
        return found | ({_MORE: _MORE} if len(members) > _MEMBERS else {})


def _json_in(text: str) -> Json | list[Any] | None:
    """The object or list that a text holds as JSON; None if it holds none."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = json_of(text.encode("utf-8", "replace"))
    except UndecodableError:
        return None
    return found if isinstance(found, (dict, list)) else None


def _without_prefix(word: str | None) -> str | None:
    """`LOGINS` of `EventCategory.LOGINS`."""
    return (word.rpartition(".")[2] or word) if word else word


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}{_MORE}"


def _encoded(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
