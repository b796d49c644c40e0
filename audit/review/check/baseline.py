"""Writes the open findings of a check as a baseline: entries of the exceptions that somebody can fill in."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

import msgspec

from audit.errors import UsageError
from audit.files import atomic_file
from audit.review.check.acceptance import Acceptance
from audit.review.check.exceptions import load_exceptions
from audit.review.check.finding import CheckResult, Finding
from audit.review.vocabulary import kind_of
from audit.snapshot.org import Org
from audit.text import count_of, printable

log = logging.getLogger(__name__)

_HEAD = """\
# A baseline of webex-audit: {findings} of snapshot {snapshot_id}, accepted on {today}.
# 'webex-audit check --baseline FILE' shows what is not in here.
#
# Fill in for each entry, or remove it, and its finding is shown again:
#   owner    who answers for it: until then, the check says "accepted by the baseline, without owner"
#   reason   why it is accepted
#   expires  the last day (UTC) on which it is, such as 2027-03-31; "" for no such day
# An entry with all three is also one for --exceptions: the format is the same. An entry with a key is matched by
# its key and not by its detail, which may hold names that change.
"""


def check_new(path: Path) -> None:
    """Check that a new baseline can have this name.

    Raises:
        UsageError: the name is empty or "-", or something has it.
    """
    if str(path) in ("-", "."):
        raise UsageError("--write-baseline: name a new file: standard output has the result of the check")
    if os.path.lexists(path):
        raise UsageError(
            f"--write-baseline {path}: it exists, and what somebody filled in there would be lost: name another file "
            "('cat NEW >> OLD' joins two)"
        )


def accept_all(path: Path, result: CheckResult, orgs: Iterable[Org], today: date) -> CheckResult:
    """Write a baseline of all open findings, read it again, and apply it.

    Args:
        path: a new file.
        result: the check.
        orgs: the organizations of the snapshot, for the comments.
        today: the date (UTC).

    Returns:
        The same check with the baseline: nothing is open.

    Raises:
        UsageError: the file exists, or can't be written.
    """
    written = write_baseline(path, result, orgs, today)
    log.info("%s: %s written: fill in owner, reason and expires", path, count_of(written, "entry", "entries"))
    entries = load_exceptions(str(path), {each.rule.rule_id for each in result.results}, today, "baseline")
    return msgspec.structs.replace(result, results=[entries.applied(each) for each in result.results])


def write_baseline(path: Path, result: CheckResult, orgs: Iterable[Org], today: date) -> int:
    """Write a baseline that accepts all open findings of a check, for this user only, whole or not at all.

    The same findings are the same entries in the same order. Findings that an entry can't tell apart share it.

    Args:
        path: a new file.
        result: the check.
        orgs: the organizations of the snapshot, for the comments.
        today: the date (UTC).

    Returns:
        The number of entries.

    Raises:
        UsageError: the file exists, or can't be written.
    """
    check_new(path)
    names = {org.org_id: org.name for org in orgs if org.name}
    entries: dict[Acceptance, Finding] = {}
    for finding in result.findings:
        entries.setdefault(_entry_of(finding), finding)
    head = _HEAD.format(
        findings=count_of(len(result.findings), "finding"), snapshot_id=printable(result.snapshot_id), today=today
    )
    try:
        with atomic_file(path) as file:
            file.write(head.encode())
            for entry, finding in entries.items():
                file.write("\n".join(["", *_lines(entry, finding, names), ""]).encode())
    except OSError as error:
        raise UsageError(f"--write-baseline {path}: {error.strerror}") from None
    return len(entries)


def _entry_of(finding: Finding) -> Acceptance:
    return Acceptance(
        finding.rule_id,
        org_id=finding.org_id or "",
        entity_id=finding.entity_id or "",
        detail=finding.detail,
        key=finding.key,
    )


def _lines(entry: Acceptance, finding: Finding, names: Mapping[str, str]) -> Iterator[str]:
    """An entry, below the names of what it is about."""
    whose = [
        f"{finding.entity_name or finding.entity_id} ({kind_of(finding.entity_type or '')})"
        if finding.entity_id
        else "",
        finding.location_name,
        names.get(entry.org_id or "", entry.org_id),
    ]
    yield f"# {finding.severity}: {printable(', '.join(each for each in whose if each)) or 'the whole audit'}"
    yield "[[exception]]"
    for name in ("rule", "org_id", "entity_id", "detail", "key", "owner", "reason"):
        value = getattr(entry, name)
        if value is not None:
            yield f"{name} = {_string(value)}"
    yield 'expires = ""'


def _string(text: str) -> str:
    """A basic string of TOML; names come from outside and may hold anything."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"
