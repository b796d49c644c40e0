"""Phrases of the report: labels, times, its subject, what is missing. Words are in `audit.review.vocabulary`."""

from collections import Counter
from datetime import UTC, datetime

from audit.review.report.reach import ReachKind
from audit.review.vocabulary import dataset, heading, kinds_of
from audit.snapshot.manifest import Manifest
from audit.text import count_of

REACH_LABELS: dict[ReachKind, str] = {
    "everybody": "Anyone not blocked",
    "members": "Allowed lines only",
    "unclear": "Unclear",
    "nobody": "Nobody: empty list",
    "off": "Push-to-Talk is off",
    "none": "No Push-to-Talk settings",
}
OUTCOMES = {
    "ok": "answered",
    "not_licensed": "no license for it, so no settings",
    "not_found": "deleted since it was listed, or never there",
    "forbidden": "refused: the token may not read it",
    "bad_request": "refused for another reason",
    "throttled": "no answer: too many requests, despite retries",
    "server_error": "no answer: server error, despite retries",
    "timeout": "no answer in time, despite retries",
    "invalid_response": "the answer is not what the API documents",
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


def day(time: datetime) -> str:
    """A date as people write it."""
    return f"{time.day} {time:%B %Y}"


def minute(time: datetime) -> str:
    """A date and time in UTC as people write it."""
    return f"{day(time)}, {time:%H:%M} UTC"


def second(time: datetime) -> str:
    """A date and time in UTC with seconds, for times of the same minute."""
    return f"{day(time)}, {time:%H:%M:%S} UTC"


def machine(time: datetime) -> str:
    """A time as HTML takes it in `datetime`: at most three digits of a second."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def period(first: datetime, last: datetime) -> str:
    """The time between two times as people write it."""
    return f"on {minute(first)}" if minute(first) == minute(last) else f"between {minute(first)} and {minute(last)}"


def subject(manifest: Manifest) -> str:
    """The name of the organization, or the number of organizations."""
    if len(manifest.orgs) == 1:
        return manifest.orgs[0].name or manifest.orgs[0].org_id
    return count_of(len(manifest.orgs), "organization")


def absence(reason: str) -> str:
    """A short reason why a room is unknown in the snapshot before, as many rows repeat it.

    Args:
        reason: from `audit.review.absence`; the message of the API stands in parentheses at its end.
    """
    short, _, _ = reason.partition(" (")
    first, _, rest = short.partition(" ")
    if short.startswith("the organization is "):
        return short.replace(" is ", " was ", 1)
    return f"{kinds_of(first)} {rest.replace('was ', 'were ', 1)}" if first.isupper() else f"{dataset(first)} {rest}"


def gaps(manifest: Manifest) -> list[str]:
    """What could not be audited at all: lines for organizations, and lines for each kind of entity."""
    unlisted: Counter[tuple[str, str]] = Counter()
    invalid: Counter[tuple[str, str]] = Counter()
    for org in manifest.orgs:
        if org.is_audited:
            unlisted.update((name, kind) for name, kinds in org.unlisted.items() for kind in kinds)
            for name, kinds in org.invalid_items.items():
                invalid.update({(name, kind): items for kind, items in kinds.items()})
    return [
        *_unread_organizations(manifest),
        *(
            f"{_of_dataset(manifest, *place)} of {count_of(number, 'organization')} could not be listed"
            for place, number in sorted(unlisted.items())
        ),
        *(
            f"{count_of(number, 'listed item')} among {_of_dataset(manifest, *place)} without a usable id"
            for place, number in sorted(invalid.items())
        ),
    ]


def _unread_organizations(manifest: Manifest) -> list[str]:
    unknown = sum(not org.is_audited for org in manifest.orgs)
    share = f"{unknown:,} of {count_of(len(manifest.orgs), 'organization')}"
    whose = "its" if unknown == 1 else "their"
    lines = [f"{share} refused or did not answer: {whose} settings are not known"] if unknown else []
    if invalid := manifest.invalid_organizations:
        lines.append(f"{count_of(invalid, 'listed organization')} without a usable id")
    return lines


def _of_dataset(manifest: Manifest, name: str, kind: str) -> str:
    is_one = len(manifest.scope.datasets) == 1
    return f"{kinds_of(kind)}{'' if is_one else f' ({dataset(name)})'}"


def title(manifest: Manifest) -> str:
    """The dataset in the title: Push-to-Talk if it was asked for, otherwise the first."""
    asked = manifest.scope.datasets
    name = "push_to_talk" if "push_to_talk" in asked or not asked else asked[0]
    return heading(dataset(name))
