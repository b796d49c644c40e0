"""Checks a snapshot against rules: each rule runs, or gives the reason why it cannot."""

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import duckdb

from audit.config import CheckSettings
from audit.errors import UsageError
from audit.review.check.acceptance import Acceptance
from audit.review.check.exceptions import load_exceptions
from audit.review.check.facts import (
    Facts,
    add_approval_facts,
    add_facts,
    add_open_room_facts,
    missing_tables,
    unread_entities,
)
from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult
from audit.review.check.rules import SETTINGS, load_rules
from audit.review.check.unread import unread_of
from audit.review.comparable import scope_differences
from audit.review.interruption import TimeLimit
from audit.review.open_rooms import OPEN_ROOMS
from audit.review.tables import (
    APPROVED,
    PREVIOUS,
    is_out_of_memory,
    message_of,
    open_tables,
    refuse_writing,
    table_names,
)
from audit.snapshot.catalog import Snapshot
from audit.snapshot.org_names import org_names
from audit.text import count_of

log = logging.getLogger(__name__)

#: The columns that each row of a rule must have.
COLUMNS = ("org_id", "entity_type", "entity_id", "entity_name", "location_name", "detail")
_KEY = "key"
_REPEATED = ("org_id", "entity_type", "location_name", "detail")
_ROWS = 10_000
#: Most stale entries that a line names.
_NAMED = 3
#: In the name of each type of times with a zone.
_ZONED = "WITH TIME ZONE"
_NOTHING_BEFORE = "there is no earlier snapshot of the same scope to compare with"


def check(
    snapshot: Snapshot,
    previous: Snapshot | None,
    settings: CheckSettings,
    *,
    today: date,
    approved: Snapshot | None = None,
) -> CheckResult:
    """Run all rules over a snapshot.

    Args:
        snapshot: the snapshot.
        previous: an earlier snapshot; rules that compare are skipped if its scope is different.
        settings: where rules and exceptions come from, and the values that rules read.
        today: the date (UTC) on which exceptions must still be valid.
        approved: the approved snapshot of the same scope.

    Raises:
        UsageError: a rule, the exceptions, the baseline or a snapshot are wrong; the error names the file, and the
            line of a rule.
    """
    rules = load_rules(settings.rules_dir)
    rule_ids = {rule.rule_id for rule in rules}
    accepted = [
        load_exceptions(settings.exceptions_file, rule_ids, today),
        load_exceptions(settings.baseline_file, rule_ids, today, "baseline"),
    ]
    why_not = _why_not(snapshot, previous)
    compared = None if why_not else previous
    with open_tables(snapshot, compared, approved=approved) as connection:
        for rule in rules:
            _validate(connection, rule)
        facts = _facts(connection, snapshot, why_not, approved)
        # Most rules do without this view, which takes time.
        if any(OPEN_ROOMS in " ".join((*rule.tables, rule.sql.lower())) for rule in rules):
            facts = add_open_room_facts(
                connection,
                facts,
                snapshot.manifest,
                previous=compared.manifest if compared else None,
                approved=approved.manifest if approved else None,
            )
        _set_variables(connection, settings)
        results = [_run(connection, rule, facts, settings) for rule in rules]
        unread = unread_of(connection, snapshot.manifest)
    for entries in accepted:
        results = [entries.applied(each) for each in results]
    ran = {each.rule.rule_id for each in results if each.status != "skipped" or each.excepted}
    stale = [entry for entries in accepted for entry in entries.unused(ran) if not unread.concerns(entry)]
    if stale:
        _warn_of_stale(stale)
    of = snapshot.manifest
    return CheckResult(
        snapshot_id=of.snapshot_id,
        previous_id=compared.manifest.snapshot_id if compared else None,
        results=results,
        started_at=of.started_at,
        finished_at=of.finished_at,
        org_ids=tuple(sorted(org.org_id for org in of.orgs)),
        stale=stale,
        approved_id=approved.manifest.snapshot_id if approved else None,
    )


def _warn_of_stale(stale: list[Acceptance]) -> None:
    count = count_of(len(stale), "exception no longer matches", "exceptions no longer match")
    named = ", ".join(" of ".join(filter(None, [each.rule, each.entity_id or each.org_id])) for each in stale[:_NAMED])
    rest = f" and {len(stale) - _NAMED:,} more, which 'webex-audit check' lists" if len(stale) > _NAMED else ""
    log.warning("%s any finding: %s%s: remove %s", count, named, rest, "them" if len(stale) > 1 else "it")


def _why_not(snapshot: Snapshot, previous: Snapshot | None) -> str | None:
    """Why two snapshots cannot be compared; None if they can."""
    if previous is None:
        return _NOTHING_BEFORE
    names = scope_differences(snapshot.manifest, previous.manifest)
    reason = f"snapshot {previous.manifest.snapshot_id} has another scope ({', '.join(names)})"
    return reason if names else None


def _facts(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    why_not: str | None,
    approved: Snapshot | None,
) -> Facts:
    """The tables that rules can read, and why others are missing."""
    facts = add_approval_facts(
        connection,
        add_facts(connection, snapshot.manifest),
        snapshot.manifest,
        approved.manifest if approved else None,
    )
    tables, before = table_names(connection), table_names(connection, PREVIOUS)
    missing = facts.missing | missing_tables(snapshot.manifest, tables)
    if why_not:
        missing[PREVIOUS] = why_not
    known = facts.tables | {*tables} | {f"{PREVIOUS}.{name}" for name in before}
    known |= {f"{APPROVED}.{name}" for name in table_names(connection, APPROVED)}
    unread = unread_entities(connection, snapshot.manifest)
    return Facts(known, missing, facts.partial, org_names(snapshot.manifest.orgs), unread)


def _set_variables(connection: duckdb.DuckDBPyConnection, settings: CheckSettings) -> None:
    for name in SETTINGS.values():
        # An empty list has no type in SQL; rules that need the setting are skipped.
        if (value := getattr(settings, name)) != []:
            connection.execute(f"SET VARIABLE {name} = ?", [value])


def _validate(connection: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    """Refuse a rule that is not SQL, or does more than query."""
    try:
        refuse_writing(connection, rule.sql, rule.path)
    except UsageError as error:
        raise _wrong(rule, str(error).removeprefix(f"{rule.path}: ")) from None


def _run(connection: duckdb.DuckDBPyConnection, rule: Rule, facts: Facts, settings: CheckSettings) -> RuleResult:
    if reason := _obstacle(rule, facts, settings):
        return RuleResult(rule, "skipped", reason=reason)
    found = _findings(connection, rule, settings, facts.org_names)
    if isinstance(found, str):
        log.warning("rule %s is skipped: %s", rule.rule_id, found)
        return RuleResult(rule, "skipped", reason=found)
    unjudged = "; ".join(dict.fromkeys(facts.partial[table] for table in rule.tables if table in facts.partial))
    unread = max((facts.unread.get(table, 0) for table in rule.tables), default=0)
    return RuleResult(rule, "passed", unread=unread).with_findings(found, [], unjudged)


def _obstacle(rule: Rule, facts: Facts, settings: CheckSettings) -> str | None:
    """Why a rule cannot run; None if it can."""
    for table in rule.tables:
        if table not in facts.tables:
            known = facts.missing.get(table) or facts.missing.get(table.partition(".")[0])
            schema, _, name = table.rpartition(".")
            which = {PREVIOUS: "the earlier snapshot", APPROVED: "the approved snapshot"}.get(schema, "the snapshot")
            return known or f"{which} has no table {name if schema in (PREVIOUS, APPROVED) else table}"
    return next((f"{key} is not set" for key in rule.settings if not getattr(settings, SETTINGS[key])), None)


def _findings(
    connection: duckdb.DuckDBPyConnection, rule: Rule, settings: CheckSettings, names: Mapping[str, str | None]
) -> list[Finding] | str:
    """The findings of a rule, or why they are not known: the rule needs more time or memory than it may use."""
    limit = TimeLimit(connection, settings.timeout_s)
    try:
        with limit.computing():
            found = list(_rows(connection, rule, names))
    except (duckdb.Error, MemoryError) as error:
        if not limit.is_over and not is_out_of_memory(error):
            raise _wrong(rule, message_of(error)) from None
        if not limit.is_over:
            return "it needs more memory than a rule may use"
    if limit.is_over:
        return f"it did not end within {settings.timeout}: --timeout sets the time"
    return sorted(found, key=lambda each: (each.org_id or "", each.entity_id or "", each.detail, each.key or ""))


def _rows(connection: duckdb.DuckDBPyConnection, rule: Rule, org_names: Mapping[str, str | None]) -> Iterator[Finding]:
    cursor = connection.execute(rule.sql)
    names = [column[0] for column in cursor.description]
    if missing := [name for name in COLUMNS if name not in names]:
        raise _wrong(rule, f"the result lacks the columns {', '.join(missing)}")
    if any(_ZONED in str(column[1]) for column in cursor.description):
        names = [name for name in (*COLUMNS, _KEY) if name in names]
        cursor = connection.execute(_as_texts(rule.sql, names))
    while rows := cursor.fetchmany(_ROWS):
        yield from (_finding(rule, dict(zip(names, row, strict=True)), org_names) for row in rows)


def _as_texts(sql: str, names: list[str]) -> str:
    """A query for columns of another, as texts: DuckDB gives Python times with a zone only if pytz is installed."""
    columns = ", ".join(f"{name}::VARCHAR AS {name}" for name in names)
    return f"SELECT {columns} FROM ({sql.rstrip().removesuffix(';')}\n)"  # noqa: S608


def _finding(rule: Rule, row: dict[str, object], org_names: Mapping[str, str | None]) -> Finding:
    names = (*COLUMNS, _KEY)
    texts: dict[str, Any] = {name: None if row.get(name) is None else str(row[name]) for name in names}
    # There may be many findings, and most of them repeat these texts.
    texts |= {name: sys.intern(texts[name]) for name in _REPEATED if texts[name]}
    # The manifest names the organization, whatever the rule says.
    texts |= {"detail": texts["detail"] or "", "org_name": org_names.get(texts["org_id"])}
    return Finding(rule_id=rule.rule_id, severity=rule.severity, **texts)


def _wrong(rule: Rule, message: str) -> UsageError:
    """An error that names the line of the rule's file."""
    found = re.search(r" \(line ([0-9]+)\)$", message)
    line = rule.line + int(found[1]) - 1 if found else rule.line
    return UsageError(f"{rule.path}:{line}: {message[: found.start()] if found else message}")
