"""Unfinished runs as text and as JSON."""

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from audit.cli.resuming import Way, began, context, foremost
from audit.output.pending import Pending
from audit.review import vocabulary
from audit.text import count_of, printable

#: Most unfinished runs that are named beside something else.
_MOST = 10
#: Longest text of a scope, which anybody may have written.
_LONGEST = 200


def as_data(ways: list[Way], now: datetime) -> list[dict[str, Any]]:
    """The unfinished runs for `--json`."""
    return [_data(each, now) for each in ways]


def _data(way: Way, now: datetime) -> dict[str, Any]:
    run, journal = way.run, way.run.journal
    return {
        "status": "unfinished",
        "run_id": run.run_id,
        "path": printable(str(run.folder)),
        "started_at": journal.started_at if journal else None,
        "age_s": round((now - journal.started_at).total_seconds()) if journal else None,
        "scope": msgspec.to_builtins(journal.asks) if journal and journal.asks else None,
        "entities": run.entities,
        "answered": run.answered,
        "is_running": _is_running(run),
        "held_by": printable(run.occupant.title) if run.occupant else None,
        "can_be_resumed": not run.fault,
        "resumable_until": run.until if not run.fault else None,
        "reason": _reason(way),
        "command": way.command,
    }


def _is_running(run: Pending) -> bool | None:
    return run.occupant.is_there if run.occupant else False


def _reason(way: Way) -> str | None:
    return printable(way.run.fault or way.note or "") or None


def render(ways: list[Way], now: datetime, given: dict[str, Any] | None = None) -> list[str]:
    """The unfinished runs, in some lines each.

    Args:
        ways: the runs.
        now: the current time.
        given: the values of the options, by name, to name the foremost runs alone; None for all runs.
    """
    shown = ways if given is None else foremost(ways, _MOST)
    lines = [line for each in shown for line in _lines(each, now)]
    if given is not None and len(shown) < len(ways):
        command = shlex.join(["webex-audit", "snapshots", "--unfinished", *context(given)])
        lines.append(f"and {count_of(len(ways) - len(shown), 'other unfinished run')}: {command}")
    return lines


def _lines(way: Way, now: datetime) -> Iterator[str]:
    run = way.run
    yield f"unfinished run {run.run_id}{began(run, now)}"
    if run.journal and run.journal.asks:
        yield f"  scope      {printable(vocabulary.scope(run.journal.asks))[:_LONGEST]}"
    if run.occupant:
        since = f", since {run.occupant.since:%Y-%m-%d %H:%M:%S} UTC" if run.occupant.since else ""
        verb = "is" if run.occupant.is_there else "may be"
        yield f"  at work    {printable(run.occupant.title)}{since}, {verb} at work on it"
    if run.fault:
        yield f"  go on      not possible: {printable(run.fault)}"
        return
    if way.command:
        when = "if it stops" if run.occupant else "go on"
        yield f"  {when:<10} {way.command}"
    if way.note:
        yield f"  note       {printable(way.note)}"
    if run.until:
        yield f"  until      {run.until:%Y-%m-%d %H:%M} UTC"
