"""Findings that somebody accepts: exceptions, with an owner and until a date, and baselines, until they are filled in.

Both are the same format and are matched by the same rule.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from itertools import product
from typing import Any, Literal

import msgspec

from audit.errors import UsageError, words_of
from audit.files import expand, text_of
from audit.review.check.acceptance import Acceptance
from audit.review.check.finding import Finding, RuleResult, Terms
from audit.text import did_you_mean
from audit.untrusted.decoding import UndecodableError, toml_of

_SECTION = "exception"
#: What each entry of a file of exceptions must say; a baseline is accepted before anybody fills it in.
_ANSWERS = ("reason", "owner", "expires")

Source = Literal["exceptions", "baseline"]
#: What an entry asks of a finding: rule, organization, entity, and the key or the detail.
_Place = tuple[str, str | None, str | None, tuple[str, str | None] | None]


class Exceptions:
    """The entries of a file.

    Args:
        entries: the entries.
        today: the date (UTC) on which they must still be valid.
        source: the kind of the file.
    """

    def __init__(self, entries: Iterable[Acceptance], today: date, source: Source = "exceptions") -> None:
        self._today = today
        self._source = source
        self._used: set[_Place] = set()
        self._entries: dict[_Place, list[Acceptance]] = defaultdict(list)
        for entry in entries:
            self._entries[_place_of(entry)].append(entry)

    def split(self, found: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
        """Split findings into open and accepted ones; each names the entry that matches it.

        An expired entry accepts nothing: its finding stays open and says so.
        """
        left: list[Finding] = []
        accepted: list[Finding] = []
        for finding in found:
            entry = self._of(finding)
            is_accepted = entry is not None and entry.last_day >= self._today
            (accepted if is_accepted else left).append(self._marked(finding, entry) if entry else finding)
        return left, accepted

    def applied(self, result: RuleResult) -> RuleResult:
        """The result of a rule after its findings are split."""
        left, accepted = self.split(result.findings)
        # An entry that accepts what another file accepts already has nothing to do, and is not stale.
        for finding in result.excepted:
            self._of(finding)
        return result.with_findings(left, [*result.excepted, *accepted])

    def unused(self, rule_ids: Collection[str]) -> list[Acceptance]:
        """The entries of these rules that match no finding."""
        places = (place for place in self._entries if place[0] in rule_ids and place not in self._used)
        return [entry for place in places for entry in self._entries[place]]

    def _of(self, finding: Finding) -> Acceptance | None:
        """The entry that matches a finding and is valid the longest."""
        places = [place for place in _places_of(finding) if place in self._entries]
        self._used.update(places)
        entries = (entry for place in places for entry in self._entries[place])
        return max(entries, key=lambda each: each.last_day, default=None)

    def _marked(self, finding: Finding, entry: Acceptance) -> Finding:
        owned = None if self._source == "exceptions" else "with owner" if entry.has_owner else "without owner"
        terms = Terms(entry.reason, entry.owner, entry.expires)
        return msgspec.structs.replace(finding, exception=entry.in_words(self._today), terms=terms, baseline=owned)


def _place_of(entry: Acceptance) -> _Place:
    by_detail = None if entry.detail is None else ("detail", entry.detail)
    return entry.rule, entry.org_id, entry.entity_id, by_detail if entry.key is None else ("key", entry.key)


def _places_of(finding: Finding) -> Iterator[_Place]:
    """What entries may ask for to match a finding: a match takes the same time, however many entries there are."""
    yield from product(
        (finding.rule_id,),
        (finding.org_id or "", None),
        (finding.entity_id or "", None),
        (("detail", finding.detail), ("key", finding.key), None),
    )


def load_exceptions(
    path: str | None, rule_ids: Collection[str], today: date, source: Source = "exceptions"
) -> Exceptions:
    """Read a file of exceptions, or a baseline.

    Args:
        path: a TOML file; None for no exceptions.
        rule_ids: the ids of all rules.
        today: the date (UTC) on which entries must still be valid.
        source: the kind of the file.

    Raises:
        UsageError: the file can't be read, or an entry is wrong.
    """
    if path is None:
        return Exceptions([], today, source)
    title = f"{source} {path}"
    try:
        content = toml_of(text_of(expand(path).read_bytes()))
    except OSError as error:
        raise UsageError(f"{title}: {error.strerror}") from None
    except (UndecodableError, UnicodeDecodeError) as error:
        raise UsageError(f"{title} is not TOML: {words_of(error)}") from None
    entries = content.pop(_SECTION, [])
    if content or not isinstance(entries, list):
        raise UsageError(f"{title}: expected [[{_SECTION}]] and nothing else")
    read = (_entry(f"{title}: {_SECTION} {number}", each, rule_ids, source) for number, each in enumerate(entries, 1))
    return Exceptions(read, today, source)


def _entry(place: str, fields: Any, rule_ids: Collection[str], source: Source) -> Acceptance:
    if isinstance(fields, dict):
        fields = _checked(place, fields) if source == "exceptions" else _without_empty_date(fields)
    try:
        entry = msgspec.convert(fields, Acceptance)
    except msgspec.ValidationError as error:
        raise UsageError(f"{place}: {words_of(error)}") from None
    if entry.rule not in rule_ids:
        raise UsageError(f"{place}: unknown rule {entry.rule!r}{did_you_mean(entry.rule, rule_ids)}")
    if not (entry.org_id or entry.entity_id or entry.detail or entry.key):
        raise UsageError(f"{place}: name an org_id or an entity_id: a rule as a whole can't be accepted")
    if not (entry.org_id or entry.entity_id) and None in (entry.org_id, entry.entity_id):
        raise UsageError(f'{place}: name an org_id or an entity_id, or both as "" for a finding that has neither')
    return entry


def _checked(place: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an exception, which must have an owner, a reason and a last day."""
    for name in _ANSWERS:
        if name not in fields:
            raise UsageError(f"{place}: missing required field `{name}`")
        if isinstance(fields[name], str) and not fields[name].strip():
            raise UsageError(f"{place}: {name} is empty")
    return fields


def _without_empty_date(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a baseline's entry; TOML has no empty date, so the file has an empty text to fill in."""
    return {name: value for name, value in fields.items() if not (name == "expires" and value == "")}
