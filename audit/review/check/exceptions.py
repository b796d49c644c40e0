"""Exceptions: findings that somebody accepts and answers for, until a date."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

import msgspec

from audit.decoding import UndecodableError, toml_of
from audit.errors import UsageError, words_of
from audit.files import expand, text_of
from audit.review.check.finding import Finding, Terms
from audit.text import did_you_mean

_SECTION = "exception"


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the file.

    Attributes:
        rule: id of the rule whose findings are accepted.
        reason: why they are accepted.
        owner: who answers for it.
        expires: the last day (UTC) on which the entry is valid.
        org_id: accept findings of this organization only.
        entity_id: accept findings of this entity only.
        detail: accept the finding with exactly this text only, such as one member of a room.
    """

    rule: str
    reason: str
    owner: str
    expires: date
    org_id: str | None = None
    entity_id: str | None = None
    detail: str | None = None

    def is_of(self, finding: Finding) -> bool:
        """Whether the entry, expired or not, matches a finding of its rule."""
        return (
            self.org_id in (None, finding.org_id)
            and self.entity_id in (None, finding.entity_id)
            and self.detail in (None, finding.detail)
        )


class Exceptions:
    """The entries of a file.

    Args:
        entries: the entries.
        today: the date (UTC) on which they must still be valid.
    """

    def __init__(self, entries: Iterable[Acceptance], today: date) -> None:
        self._today = today
        self._used: set[Acceptance] = set()
        self._entries: dict[tuple[str, str | None], list[Acceptance]] = defaultdict(list)
        for entry in sorted(entries, key=lambda each: each.expires, reverse=True):
            self._entries[entry.rule, entry.entity_id].append(entry)

    def split(self, found: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
        """Split findings into open and accepted ones; each names the exception that matches it.

        An expired exception accepts nothing: its finding stays open and says so.
        """
        left: list[Finding] = []
        accepted: list[Finding] = []
        for finding in found:
            entry = self._of(finding)
            self._used |= {entry} if entry else set()
            is_expired = entry is not None and entry.expires < self._today
            if entry:
                finding = _with_exception(finding, entry, is_expired=is_expired)  # noqa: PLW2901
            (accepted if entry and not is_expired else left).append(finding)
        return left, accepted

    def unused(self, rule_ids: Collection[str]) -> list[Acceptance]:
        """The entries of these rules that match no finding."""
        entries = [entry for each in self._entries.values() for entry in each]
        return [entry for entry in entries if entry.rule in rule_ids and entry not in self._used]

    def _of(self, finding: Finding) -> Acceptance | None:
        """The exception that matches a finding and is valid the longest."""
        entries = [
            entry
            for entity_id in {finding.entity_id, None}
            for entry in self._entries.get((finding.rule_id, entity_id), ())
            if entry.is_of(finding)
        ]
        return max(entries, key=lambda each: each.expires, default=None)


def load_exceptions(path: str | None, rule_ids: Collection[str], today: date) -> Exceptions:
    """Read a file of exceptions.

    Args:
        path: a TOML file; None for no exceptions.
        rule_ids: the ids of all rules.
        today: the date (UTC) on which exceptions must still be valid.

    Raises:
        UsageError: the file can't be read, or an entry is wrong.
    """
    if path is None:
        return Exceptions([], today)
    try:
        content = toml_of(text_of(expand(path).read_bytes()))
    except OSError as error:
        raise UsageError(f"exceptions {path}: {error.strerror}") from None
    except (UndecodableError, UnicodeDecodeError) as error:
        raise UsageError(f"exceptions {path} is not TOML: {words_of(error)}") from None
    entries = content.pop(_SECTION, [])
    if content or not isinstance(entries, list):
        raise UsageError(f"exceptions {path}: expected [[{_SECTION}]] and nothing else")
    return Exceptions([_entry(path, number, each, rule_ids) for number, each in enumerate(entries, 1)], today)


def _entry(path: str, number: int, fields: Any, rule_ids: Collection[str]) -> Acceptance:
    place = f"exceptions {path}: {_SECTION} {number}"
    try:
        entry = msgspec.convert(fields, Acceptance)
    except msgspec.ValidationError as error:
        raise UsageError(f"{place}: {words_of(error)}") from None
    if entry.rule not in rule_ids:
        raise UsageError(f"{place}: unknown rule {entry.rule!r}{did_you_mean(entry.rule, rule_ids)}")
    for name in ("reason", "owner"):
        if not getattr(entry, name).strip():
            raise UsageError(f"{place}: {name} is empty")
    if not entry.org_id and not entry.entity_id:
        raise UsageError(f"{place}: name an org_id or an entity_id: a rule as a whole can't be accepted")
    return entry


def _with_exception(finding: Finding, entry: Acceptance, *, is_expired: bool) -> Finding:
    terms = Terms(entry.reason, entry.owner, entry.expires)
    return msgspec.structs.replace(finding, exception=_describe(entry, is_expired=is_expired), terms=terms)


def _describe(entry: Acceptance, *, is_expired: bool) -> str:
    state = "expired after" if is_expired else "accepted until"
    return f"{state} {entry.expires}: {entry.reason} ({entry.owner})"
