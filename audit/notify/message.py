"""What a message says: counts and places, never a setting; names only if the user asks for them.

Whoever reads a chat room need not be allowed to read the audit, and whoever names a room must not speak in the chat.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from audit.errors import AuditError, LockedError, StoppedError, shortage
from audit.outcome import Outcome
from audit.redaction import redact
from audit.snapshot.manifest import Manifest
from audit.text import count_of, printable

Event = Literal["failed", "partial", "findings", "good"]
Kind = Literal["info", "success", "warning", "failure"]

#: Some services cut or refuse longer texts: names are cut first, then the whole.
_MOST_CHARS = 2000
_MOST_NAMED, _MOST_CHARS_OF_NAME = 10, 160
_KINDS: Mapping[Event, Kind] = {"failed": "failure", "partial": "warning", "findings": "warning", "good": "success"}
_MEANINGS = {
    1: "it found something",
    2: "wrong usage or configuration, or a damaged snapshot",
    4: "the token is refused or lacks a scope: nothing could be audited",
    5: "stopped before the end; 'webex-audit run --resume' goes on with a run",
    70: "a bug of webex-audit",
}
#: What chats take for a link, a mention or markup.
_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d_])")
_MARKUP = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "`": "'", "@": " at ", "*": "∗", "|": "/"})


class Message(NamedTuple):
    """A message as apprise takes it."""

    title: str
    body: str
    kind: Kind


class Notice(NamedTuple):
    """Something to tell of.

    Attributes:
        event: what `notify.on` chooses by.
        title: the outcome, in some words.
        lines: the text.
        names: lines that name organizations, rooms or people.
    """

    event: Event
    title: str
    lines: Sequence[str]
    names: Sequence[str] = ()


class News(NamedTuple):
    """What a check found.

    Attributes:
        fails: it exits with 1.
        open: number of open findings for each severity that has any, the most severe first.
        new: those of them that the snapshot before does not have; None without a snapshot before.
        opened: number of rooms, and of people, that let somebody do more than in the snapshot before; None without one.
        named: lines that name the new findings.
    """

    fails: bool
    open: Mapping[str, int]
    new: Mapping[str, int] | None
    opened: int | None
    named: Sequence[str] = ()


def compose(notice: Notice, report: str | None, *, with_names: bool) -> Message:
    """The message of a notice: plain text, short, without secrets.

    Args:
        notice: what to tell of.
        report: where readers find the report.
        with_names: include what names organizations, rooms or people.
    """
    lines = [*notice.lines]
    if with_names:
        lines += [_cut(_inert(each), _MOST_CHARS_OF_NAME) for each in notice.names[:_MOST_NAMED]]
        more = len(notice.names) - _MOST_NAMED
        lines += [f"and {more:,} more"] if more > 0 else []
    lines += [f"report: {report}"] if report else []
    body = redact("\n".join(map(printable, lines)))
    return Message(redact(notice.title), _cut(body, _MOST_CHARS), _KINDS[notice.event])


def of_run(manifest: Manifest, place: str, reports: Sequence[str] = ()) -> Notice:
    """The notice of a run that has committed a snapshot.

    Args:
        manifest: its manifest.
        place: where the snapshot is.
        reports: where its reports are, or why there is none, a text for each.
    """
    is_good = manifest.status == "complete"
    orgs = [org for org in manifest.orgs if org.status != "complete"]
    lines = [
        f"snapshot {manifest.snapshot_id}: {manifest.status}",
        f"{count_of(len(manifest.orgs), 'organization')}, {f'{len(orgs):,} not complete' if orgs else 'all complete'}",
        *_unknown(manifest),
        f"where: {place}",
        *(f"report: {each}" for each in reports),
    ]
    names = [f"{org.name or org.org_id}: {org.status}" for org in orgs]
    return Notice("good" if is_good else "partial", f"webex-audit run: {manifest.status}", lines, names)


def of_check(manifest: Manifest, place: str, news: News) -> Notice:
    """The notice of a check.

    Args:
        manifest: manifest of the checked snapshot.
        place: where the snapshot is.
        news: what the check found.
    """
    found = count_of(sum(news.open.values()), "finding")
    new = "" if news.new is None else f", {sum(news.new.values()):,} new{_by_severity(news.new)}"
    lines = [f"snapshot {manifest.snapshot_id}: {found}{_by_severity(news.open)}{new}"]
    if news.opened is not None:
        lines.append(f"rooms and people that open more than in the snapshot before: {news.opened:,}")
    lines += _unknown(manifest)
    lines.append(f"where: {place}")
    event: Event = "findings" if news.fails or news.opened else "good"
    return Notice(event, f"webex-audit check: {found}{new}", lines, news.named)


def of_failure(command: str, error: BaseException) -> Notice | None:
    """The notice of a command that an error ends; None if another run is at work.

    The text of an error may name anything, so only its kind is in the message.
    """
    if isinstance(error, LockedError):
        return None
    error = shortage(error) or error
    code = _exit_code(error)
    lines = [f"exit code {code}: {_MEANINGS.get(code, 'the log says why')}", "the log of this machine says more"]
    return Notice(
        "failed", f"webex-audit {command}: failed", lines, [str(error)] if isinstance(error, AuditError) else []
    )


def of_test() -> Notice:
    """The notice that tries an address."""
    return Notice("good", "webex-audit: test", ["webex-audit doctor --notify sends this: messages arrive here"])


def _exit_code(error: BaseException) -> int:
    if isinstance(error, AuditError):
        return error.exit_code
    return StoppedError.exit_code if isinstance(error, KeyboardInterrupt | OSError) else AuditError.exit_code


def _unknown(manifest: Manifest) -> list[str]:
    """What is not known: reads without a complete answer, and what could not be listed."""
    counts: dict[str, int] = {}
    for outcomes in manifest.outcomes.values():
        for word, count in outcomes.items():
            if count and not (word in set(Outcome) and Outcome(word).is_complete):
                counts[word] = counts.get(word, 0) + count
    unlisted = sum(len(kinds) for org in manifest.orgs for kinds in org.unlisted.values())
    invalid = manifest.invalid_organizations + sum(
        count for org in manifest.orgs for kinds in org.invalid_items.values() for count in kinds.values()
    )
    parts = [f"{sum(counts.values()):,} without an answer{_by_severity(counts)}"] if counts else []
    parts += [f"{count_of(unlisted, 'kind')} could not be listed"] if unlisted else []
    parts += [f"{count_of(invalid, 'listed item')} without a usable id"] if invalid else []
    return [f"not known: {'; '.join(parts)}"] if parts else []


def _by_severity(counts: Mapping[str, int]) -> str:
    words = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    return f" ({words})" if words else ""


def _inert(text: str) -> str:
    # A dot that is not a dot: chats make a link of evil.example, too.
    return _DOT.sub("\u2024", printable(redact(text)).translate(_MARKUP).replace("://", ": //"))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 8]} … (cut)"
