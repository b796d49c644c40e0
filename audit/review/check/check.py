"""Checks a snapshot by rules: each runs, or says why it can't."""

import logging
import re
import sys
from datetime import date
from typing import Any

import duckdb

from audit.config import CheckSettings
from audit.errors import UsageError
from audit.review.check.exceptions import Exceptions, load_exceptions
from audit.review.check.facts import Facts, add_facts
from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult
from audit.review.check.rules import SETTINGS, load_rules
from audit.review.comparable import scope_differences
from audit.review.tables import PREVIOUS, open_tables, refuse_writing, table_names, told
from audit.snapshot.catalog import Snapshot

log = logging.getLogger(__name__)

#: What each row of a rule must have.
COLUMNS = ("org_id", "entity_type", "entity_id", "entity_name", "location_name", "detail")
_REPEATED = ("org_id", "entity_type", "location_name", "detail")
_ROWS = 10_000
_NOTHING_BEFORE = "there is no earlier snapshot of the same scope to compare with"


def check(snapshot: Snapshot, previous: Snapshot | None, settings: CheckSettings, *, today: date) -> CheckResult:
    """What the rules say of a snapshot.

    Args:
        snapshot: the snapshot.
        previous: an earlier one to compare with; rules that compare are skipped where its scope is another.
        settings: which rules and exceptions, and what the rules go by.
        today: the day that exceptions are held against (UTC).

    Raises:
        UsageError: a rule, the exceptions or a snapshot are wrong; it names the file, and the line of a rule.
    """
    rules = load_rules(settings.rules_dir)
    exceptions = load_exceptions(settings.exceptions_file, {rule.rule_id for rule in rules}, today)
    why_not = _why_not(snapshot, previous)
    compared = None if why_not else previous
    with open_tables(snapshot, compared) as connection:
        for rule in rules:
            _take(connection, rule)
        facts = _facts(connection, snapshot, why_not)
        _set_variables(connection, settings)
        results = [_run(connection, rule, facts, settings, exceptions) for rule in rules]
    for entry in exceptions.unused({each.rule.rule_id for each in results if each.status != "skipped"}):
        whose = entry.entity_id or entry.org_id
        log.warning("the exception for %s of %s (%s) speaks of no finding", entry.rule, whose, entry.owner)
    return CheckResult(snapshot.manifest.snapshot_id, compared.manifest.snapshot_id if compared else None, results)


def _why_not(snapshot: Snapshot, previous: Snapshot | None) -> str | None:
    """Why two snapshots can't be compared, if they can't."""
    if previous is None:
        return _NOTHING_BEFORE
    names = scope_differences(snapshot.manifest, previous.manifest)
    told = f"snapshot {previous.manifest.snapshot_id} is of another scope ({', '.join(names)})"
    return told if names else None


def _facts(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, why_not: str | None) -> Facts:
    """All tables that rules can be run on."""
    facts = add_facts(connection, snapshot.manifest)
    before = {f"{PREVIOUS}.{name}" for name in table_names(connection, PREVIOUS)}
    missing = {PREVIOUS: why_not} if why_not else {}
    return Facts(facts.tables | before | {*table_names(connection)}, facts.missing | missing, facts.partial)


def _set_variables(connection: duckdb.DuckDBPyConnection, settings: CheckSettings) -> None:
    for name in SETTINGS.values():
        # An empty list has no type in SQL; rules that need one are skipped.
        if (value := getattr(settings, name)) != []:
            connection.execute(f"SET VARIABLE {name} = ?", [value])


def _take(connection: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    """Refuse a rule that is no SQL, or more than a query."""
    try:
        refuse_writing(connection, rule.sql, rule.path)
    except UsageError as error:
        raise _wrong(rule, str(error).removeprefix(f"{rule.path}: ")) from None


def _run(
    connection: duckdb.DuckDBPyConnection, rule: Rule, facts: Facts, settings: CheckSettings, exceptions: Exceptions
) -> RuleResult:
    if reason := _obstacle(rule, facts, settings):
        return RuleResult(rule, "skipped", reason=reason)
    left, excepted = exceptions.split(_findings(connection, rule))
    unjudged = "; ".join(facts.partial[table] for table in rule.tables if table in facts.partial)
    if unjudged and not left:
        return RuleResult(rule, "skipped", excepted=excepted, reason=unjudged)
    return RuleResult(rule, "failed" if left else "passed", left, excepted, unjudged or None)


def _obstacle(rule: Rule, facts: Facts, settings: CheckSettings) -> str | None:
    """Why a rule can't run, if it can't."""
    for table in rule.tables:
        if table not in facts.tables:
            known = facts.missing.get(table) or facts.missing.get(table.partition(".")[0])
            which = "the earlier snapshot" if table.startswith(PREVIOUS) else "the snapshot"
            return known or f"{which} holds no table {table.removeprefix(f'{PREVIOUS}.')}"
    return next((f"{key} is not set" for key in rule.settings if not getattr(settings, SETTINGS[key])), None)


def _findings(connection: duckdb.DuckDBPyConnection, rule: Rule) -> list[Finding]:
    found: list[Finding] = []
    try:
        cursor = connection.execute(rule.sql)
        names = [column[0] for column in cursor.description]
        if missing := [name for name in COLUMNS if name not in names]:
            raise _wrong(rule, f"its rows lack the columns {', '.join(missing)}")
        while rows := cursor.fetchmany(_ROWS):
            found += [_finding(rule, dict(zip(names, row, strict=True))) for row in rows]
    except duckdb.Error as error:
        raise _wrong(rule, told(error)) from None
    return sorted(found, key=lambda each: (each.org_id or "", each.entity_id or "", each.detail))


def _finding(rule: Rule, row: dict[str, object]) -> Finding:
    texts: dict[str, Any] = {name: None if row[name] is None else str(row[name]) for name in COLUMNS}
    # Findings may be many, and these say the same in most of them.
    texts |= {name: sys.intern(texts[name]) for name in _REPEATED if texts[name]}
    return Finding(rule_id=rule.rule_id, severity=rule.severity, **(texts | {"detail": texts["detail"] or ""}))


def _wrong(rule: Rule, message: str) -> UsageError:
    """An error with the line of the file that it speaks of."""
    found = re.search(r" \(line ([0-9]+)\)$", message)
    line = rule.line + int(found[1]) - 1 if found else rule.line
    return UsageError(f"{rule.path}:{line}: {message[: found.start()] if found else message}")
