"""An event of the administrators' log beside a change: how sure it is that the two belong together, and in words."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal

from audit.datasets import DATASETS
from audit.review.diff.change import Change, EventGrade
from audit.snapshot.coverage import COVERAGE
from audit.untrusted.decoding import UndecodableError, json_of

#: Characters of a text of an event that a review shows.
_SHOWN = 300
_MEMBERS = "push_to_talk_members"
#: Fields of an event that name what it changed; any other may name anything.
_NAMING = (
    "settingKey", "settingName", "settingValue", "previousValue", "updatedFields", "updatedSettings", "deletedSettings",
    "changedAttributes", "changes", "changeSet", "attributes", "configKey", "configValue", "commandKey", "featureType",
    "details",
)  # fmt: skip
#: Columns whose names in an event differ from their own.
_OTHER_WORDS = {
    "entity_name": ("display name", "displayName", "renamed"),
    "location_name": ("location",),
    "location_id": ("location",),
}
_FAILED = re.compile(r"fail|error|denied|reject", re.IGNORECASE)


def grade_of(change: Mapping[str, Any], event: Mapping[str, Any], way: Literal["id", "name"], count: int) -> EventGrade:
    """How sure it is that an event is of a change.

    Args:
        change: the columns of the change.
        event: the columns of the newest event in the time between the reads.
        way: what the event has in common with the entity.
        count: number of events in that time.
    """
    if way == "name":
        return "name only"
    if count > 1:
        return "several"
    return "named" if failure_of(event) is None and _names(event, change) else "likely"


def failure_of(event: Mapping[str, Any]) -> str | None:
    """Why the attempt that an event records failed; None if nothing says that it did."""
    code = event["error_code"]
    if code and code != "0":
        return str(code)
    extra = _extra_of(event)
    if extra.get("errorMessage") or extra.get("failedReason") or extra.get("success") in (False, "false"):
        return "without a code"
    said = [extra.get(key) for key in ("eventStatus", "result")]
    return "without a code" if any(isinstance(each, str) and _FAILED.search(each) for each in said) else None


def described(event: Mapping[str, Any]) -> str | None:
    """What an event says of itself, cut to what a line can show."""
    text = event["description"] or event["action_text"] or event["category"]
    return text if text is None or len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def words_of_event(change: Change) -> str | None:
    """The event beside a change in one sentence, which never says that it is the cause; None if there is none."""
    if change.event_grade in (None, "none"):
        return None
    attempt = f"failed attempt ({change.event_error}): " if change.event_error else ""
    what = (change.event_description or "").rstrip(". ") or "without a description"
    identity = f" ({change.event_id})" if change.event_id else ""
    several = f" ({change.event_count} events, this is the last)" if change.event_grade == "several" else ""
    return (
        f"event recorded: {attempt}{what} by {_actor_of(change)} at {change.event_created}{identity}, "
        f"{change.event_grade}{several}"
    )


def _actor_of(change: Change) -> str:
    if change.event_client:
        return f"a script ({change.event_client})" + (f" of {change.event_actor}" if change.event_actor else "")
    return change.event_actor or "somebody who is not named"


def _names(event: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    """Whether the texts or fields of an event name the setting that changed, or its kind and no other setting."""
    table, column = str(change["table"]), change["column"]
    text = _searched(event)
    if column is not None and _mentions(text, _words_of(column)):
        return True
    if table == _MEMBERS:
        return _mentions(text, ("members", "member", "allowed lines", "blocked lines"))
    if table == COVERAGE:
        return False
    others = [name for name in _columns_of(table) if name != column]
    return _mentions(text, (table,)) and (column is None or not any(_mentions(text, (name,)) for name in others))


def _searched(event: Mapping[str, Any]) -> str:
    extra = _extra_of(event)
    fields = [json.dumps(extra[key], ensure_ascii=False) for key in _NAMING if key in extra]
    return "\n".join([event["description"] or "", event["action_text"] or "", *fields])


def _words_of(column: str) -> tuple[str, ...]:
    return _OTHER_WORDS.get(column, (column,))


def _mentions(text: str, names: Iterable[str]) -> bool:
    return any(_pattern(name).search(text) for name in names)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """Matches a name in any spelling: `allowAutoAnswer`, `allow_auto_answer` and `Allow auto answer` are the same."""
    words = re.findall(r"[A-Z]?[a-z0-9]+", name)
    spelled = r"[\s_\-]{0,3}".join(map(re.escape, map(str.lower, words)))
    return re.compile(rf"(?<![A-Za-z0-9_]){spelled}(?![a-z0-9])", re.IGNORECASE)


@cache
def _columns_of(table: str) -> tuple[str, ...]:
    identity = {"org_id", "entity_type", "entity_id", "entity_name", "location_id", "location_name", "member_count"}
    schema = DATASETS[table].tables.get(table) if table in DATASETS else None
    return tuple(name for name in schema.names if name not in identity) if schema else ()


def _extra_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """The other fields of an event; anybody may have written the snapshot."""
    try:
        extra = json_of((event["extra"] or "{}").encode())
    except UndecodableError:
        return {}
    return extra if isinstance(extra, dict) else {}
