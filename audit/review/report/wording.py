"""The words of the API and of the tables in plain English."""

from collections import Counter
from datetime import datetime

from audit.review.diff.views import YES_NO
from audit.review.report.reach import ReachKind
from audit.snapshot.manifest import Manifest
from audit.text import count_of

REACH_LABELS: dict[ReachKind, str] = {
    "everybody": "Everybody but a list",
    "members": "The members of a list",
    "unclear": "Unclear",
    "nobody": "An empty list",
    "off": "Off: nobody",
}
KINDS = {"WORKSPACE": "Workspace", "PERSON": "Person", "VIRTUAL_LINE": "Virtual line"}
DATASETS = {"push_to_talk": "Push-to-Talk", "audio_options": "Audio options"}
OUTCOMES = {
    "ok": "answered",
    "not_licensed": "no licence for it, so nothing to read",
    "not_found": "deleted meanwhile, or never there",
    "forbidden": "refused: the token may not read it",
    "bad_request": "refused in another way",
    "throttled": "no answer: too many requests, retries spent",
    "server_error": "no answer: server error, retries spent",
    "timeout": "no answer in time, retries spent",
    "invalid_response": "an answer that is not what is documented",
}
PINS = {
    "ok": "sound",
    "unset": "not set",
    "sequential": "sequential, such as 1234",
    "repeated": "repeated, such as 1111",
    "malformed": "not four digits",
}
AUDIO_KINDS = {
    "webexAudio": "Webex audio",
    "voipOnly": "computer only",
    "otherTeleconferenceService": "another teleconference service",
    "none": "none",
}
COLUMNS = {
    "allow_auto_answer": "answers by itself",
    "connection_type": "direction",
    "access_type": "who may call in",
    "entity_name": "name",
    "location_name": "location",
    "times_listed": "times in the list",
}
#: By column: other columns hold names, which may be any word.
VALUES = {
    "connection_type": {
        "TWO_WAY": "two-way (the caller hears the room)",
        "ONE_WAY": "one-way (the caller only speaks)",
    },
    "access_type": {"ALLOW_MEMBERS": "the members alone", "BLOCK_MEMBERS": "everybody but the members"},
} | {key: {"true": "yes", "false": "no"} for key in YES_NO}
TABLES = {
    "coverage": "whole",
    "push_to_talk": "settings",
    "push_to_talk_members": "member",
    "audio_options": "audio options",
}


def day(time: datetime) -> str:
    """A date as people write it."""
    return f"{time.day} {time:%B %Y}"


def minute(time: datetime) -> str:
    """A date and time in UTC as people write it."""
    return f"{day(time)}, {time:%H:%M} UTC"


def second(time: datetime) -> str:
    """A time in UTC for what is less than a minute apart."""
    return f"{day(time)}, {time:%H:%M:%S} UTC"


def period(first: datetime, last: datetime) -> str:
    """Two times as people write what lies between."""
    return f"on {minute(first)}" if minute(first) == minute(last) else f"between {minute(first)} and {minute(last)}"


def subject(manifest: Manifest) -> str:
    """Whose report it is."""
    if len(manifest.orgs) == 1:
        return manifest.orgs[0].name or manifest.orgs[0].org_id
    return count_of(len(manifest.orgs), "organization")


def list_of(words: list[str]) -> str:
    """Words as a sentence lists them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def scope(manifest: Manifest) -> str:
    """What the run was asked to audit."""
    asked = manifest.scope
    kinds = list_of([KINDS.get(kind, kind).lower() for kind in asked.entities])
    if asked.entity_ids is not None:
        kinds = f"{count_of(asked.entity_ids, 'workspace')} by id"
    elif asked.entities:
        kinds = f"every {kinds}"
    users = {"self": "the token's own user alone", "all": "all people", "named": f"{asked.user_count} named users"}
    where = f" on {list_of(asked.sites)}" if asked.sites else ""
    whom = {"audio_options": f"{users[asked.users or 'self']}{where}"}
    what = list_of([f"{DATASETS.get(name, name)} of {whom.get(name, kinds)}" for name in asked.datasets])
    organizations = {"own": "the token's own organization", "named": "named organizations",
                     "all": "all organizations that the token manages"}  # fmt: skip
    without = f" but {count_of(len(asked.excluded), 'of them', 'of them')}" if asked.excluded else ""
    return f"{what}, in {organizations[asked.organizations]}{without}"


def column(name: str) -> str:
    """What a column of a change is of."""
    return COLUMNS.get(name, name.removeprefix("member_").replace("_", " "))


def value(column: str, text: str | None) -> str | None:
    """A value of a change: the words of the API are put in plain English, names are left alone."""
    return None if text is None else VALUES.get(column, {}).get(text, text)


def absence(reason: str) -> str:
    """Why nothing is known of a room in a snapshot before, short, as it stands in many rows.

    Args:
        reason: of `audit.review.absence`, with what the API said in parentheses at its end.
    """
    short, _, _ = reason.partition(" (")
    first, _, rest = short.partition(" ")
    if short.startswith("the organization is "):
        return short.replace(" is ", " was ", 1)
    return f"{KINDS.get(first, DATASETS.get(first, first))} {rest}"


def gaps(manifest: Manifest) -> list[str]:
    """What could not be audited at all, a line for each: organizations, and kinds of entity."""
    unknown = [org for org in manifest.orgs if not org.is_audited]
    unlisted = Counter(
        (dataset, kind)
        for org in manifest.orgs
        if org not in unknown
        for dataset, kinds in org.unlisted.items()
        for kind in kinds
    )
    is_one = len(manifest.scope.datasets) == 1
    lines = [
        f"{KINDS.get(kind, kind).lower()}{'' if is_one else f' ({DATASETS.get(dataset, dataset)})'} "
        f"of {count_of(number, 'organization')} could not be listed"
        for (dataset, kind), number in sorted(unlisted.items())
    ]
    if unknown:
        share = f"{len(unknown):,} of {count_of(len(manifest.orgs), 'organization')}"
        whom = "it" if len(unknown) == 1 else "them"
        lines.insert(0, f"{share} refused or unanswered: nothing is known of {whom}")
    return lines


def title(manifest: Manifest) -> str:
    """What the report is of: Push-to-Talk, unless it was not asked for."""
    asked = manifest.scope.datasets
    name = "push_to_talk" if "push_to_talk" in asked or not asked else asked[0]
    return DATASETS.get(name, name)
