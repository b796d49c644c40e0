"""The content of a manifest as tables for SQL: the schema `manifest`, beside the schemas of the snapshots.

==========================  ==========================================================================
`manifest.organizations`    `org_id, name, status, message`: the organizations of the snapshot
`manifest.unlisted`         `org_id, dataset, entity_type, reason`: what the token may not list
`manifest.invalid_items`    `org_id, dataset, entity_type, items`: listed items without a usable id
`manifest.people`           `org_id, person_id`: the people of each organization that lists all of them
==========================  ==========================================================================
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from audit.datasets import DATASETS
from audit.entity import EntityType
from audit.review.approval import TABLES, add_approval, unjudged_words
from audit.review.open_rooms import OPEN_ROOMS, add_open_rooms, all_unread
from audit.review.tables import APPROVED, CURRENT, PREVIOUS, table_names
from audit.review.vocabulary import WAY_FLAGS, WAYS
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.manifest import Manifest
from audit.snapshot.org import Org
from audit.text import count_of

PEOPLE = "manifest.people"
_NOTHING_APPROVED = "no snapshot of this scope is approved: 'webex-audit approve' approves one"
_DRIFT = "drift"
_NEEDS = f"needs {' or '.join(WAY_FLAGS)}"
_NOT_LISTED = "people were not in scope, or could not be listed"


@dataclass(frozen=True)
class Facts:
    """The tables that rules can read.

    Attributes:
        tables: names of the tables.
        missing: the reason why a table is missing, by its name.
        partial: the reason why a table does not cover all organizations, by its name.
        org_names: the name of each organization by its UUID.
        unread: number of entities without a complete answer, which a table lacks, by its name.
    """

    tables: frozenset[str]
    missing: dict[str, str] = field(default_factory=dict)
    partial: dict[str, str] = field(default_factory=dict)
    org_names: dict[str, str | None] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)


def add_facts(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> Facts:
    """Add the tables of the schema `manifest`.

    Args:
        connection: from `audit.review.tables.open_tables`.
        manifest: the manifest of the snapshot.
    """
    connection.execute("CREATE SCHEMA manifest")
    connection.execute(
        "CREATE TABLE manifest.organizations (org_id VARCHAR, name VARCHAR, status VARCHAR, message VARCHAR)"
    )
    connection.execute(
        "CREATE TABLE manifest.unlisted (org_id VARCHAR, dataset VARCHAR, entity_type VARCHAR, reason VARCHAR)"
    )
    connection.execute(
        "CREATE TABLE manifest.invalid_items (org_id VARCHAR, dataset VARCHAR, entity_type VARCHAR, items BIGINT)"
    )
    orgs = [[org.org_id, org.name, org.status, org.message] for org in manifest.orgs]
    _insert(connection, "INSERT INTO manifest.organizations VALUES (?, ?, ?, ?)", orgs)
    _insert(connection, "INSERT INTO manifest.unlisted VALUES (?, ?, ?, ?)", _unlisted(manifest))
    _insert(connection, "INSERT INTO manifest.invalid_items VALUES (?, ?, ?, ?)", _invalid_items(manifest))
    tables = frozenset({"manifest.organizations", "manifest.unlisted", "manifest.invalid_items"})
    listed = _add_people(connection, manifest)
    total = len(manifest.orgs)
    partial = _unread(connection, manifest)
    if not listed:
        return Facts(tables, {PEOPLE: _NOT_LISTED}, partial)
    reason = (
        f"people of {total - listed:,} of {count_of(total, 'organization')} were not in scope, or could not be listed"
    )
    return Facts(tables | {PEOPLE}, partial=partial | ({PEOPLE: reason} if listed < total else {}))


def add_approval_facts(
    connection: duckdb.DuckDBPyConnection, facts: Facts, manifest: Manifest, approved: Manifest | None
) -> Facts:
    """Add the comparison with the approved state (`audit.review.approval`), or why there is none.

    Args:
        connection: from `audit.review.tables.open_tables`, with the approved snapshot.
        facts: the tables so far.
        manifest: manifest of the snapshot.
        approved: manifest of the approved snapshot, if there is one.
    """
    if approved is None:
        return replace(facts, missing=facts.missing | dict.fromkeys((APPROVED, *TABLES), _NOTHING_APPROVED))
    add_approval(connection, manifest, approved)
    read = _tables_of_ways(manifest)
    if {*read}.isdisjoint(table_names(connection)):
        missing = missing_tables(manifest, ())
        reason = missing[read[0]] if read else _NEEDS
        return replace(facts, missing=facts.missing | {_DRIFT: reason})
    lacks = [*dict.fromkeys(facts.partial[table] for table in read if table in facts.partial)]
    lacks += unjudged_words(connection)
    partial = {_DRIFT: "; ".join(lacks)} if lacks else {}
    return replace(facts, tables=facts.tables | {*TABLES}, partial=facts.partial | partial)


def _tables_of_ways(manifest: Manifest) -> list[str]:
    """The tables that say which rooms open, of the datasets that were asked for."""
    return [table for name in WAYS.values() if name in manifest.scope.datasets for table in DATASETS[name].tables]


def add_open_room_facts(
    connection: duckdb.DuckDBPyConnection,
    facts: Facts,
    manifest: Manifest,
    *,
    previous: Manifest | None,
    approved: Manifest | None,
) -> Facts:
    """Add the view `open_rooms` (`audit.review.open_rooms`) and what it lacks, or why there is no such view.

    Args:
        connection: from `audit.review.tables.open_tables`, after `add_approval_facts`.
        facts: the tables so far.
        manifest: the manifest of the snapshot.
        previous: manifest of the earlier snapshot that it is compared with.
        approved: manifest of the approved snapshot.
    """
    if not add_open_rooms(connection, manifest, previous=previous, approved=approved):
        return replace(facts, missing=facts.missing | {OPEN_ROOMS: _NEEDS})
    schemas = {CURRENT: manifest, PREVIOUS: previous, APPROVED: approved}
    views = {OPEN_ROOMS if schema == CURRENT else f"{schema}.{OPEN_ROOMS}" for schema, each in schemas.items() if each}
    lacks = all_unread(connection, manifest)
    partial = {OPEN_ROOMS: "; ".join(lacks)} if lacks else {}
    return replace(facts, tables=facts.tables | views, partial=facts.partial | partial)


def missing_tables(manifest: Manifest, tables: Iterable[str]) -> dict[str, str]:
    """The reason why a table of a dataset is missing, by its name.

    Args:
        manifest: the manifest of the snapshot.
        tables: the tables that the snapshot has.
    """
    return {
        table: f"the snapshot has no rows of {table}"
        if name in manifest.scope.datasets
        else f"needs --dataset {name.replace('_', '-')}"
        for name, dataset in DATASETS.items()
        for table in {*dataset.tables} - {*tables}
    }


def _unread(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> dict[str, str]:
    """The tables that lack an organization, or a kind of its entities, each with the reason."""
    unread = [org for org in manifest.orgs if not (org.is_audited and org.is_listed)]
    reason = f"{len(unread):,} of {count_of(len(manifest.orgs), 'organization')} could not be read, or only in part"
    partial = dict.fromkeys(table_names(connection), reason) if unread else {}
    return _unoffered(manifest) | _gaps(manifest) | partial


def _unoffered(manifest: Manifest) -> dict[str, str]:
    """The tables of datasets that the API does not offer to an organization yet, each with the reason."""
    lacking = Counter(name for org in manifest.orgs for name in org.unoffered if name in DATASETS)
    return {
        table: f"the API does not offer {name} to {count:,} of {count_of(len(manifest.orgs), 'organization')} yet"
        for name, count in lacking.items()
        for table in DATASETS[name].tables
    }


def _gaps(manifest: Manifest) -> dict[str, str]:
    """The context tables from which something is missing in an organization, each with the reason."""
    gaps = [(table, gap) for org in manifest.orgs for table, gap in org.context.items() if gap]
    counts = Counter(table for table, _ in gaps)
    return {
        table: f"{table} has gaps in {counts[table]:,} of {count_of(len(manifest.orgs), 'organization')}: {gap}"
        for table, gap in gaps
    }


def unread_entities(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> dict[str, int]:
    """The number of entities that a table lacks because they have no complete answer, by the name of the table."""
    unread = _unread_of_tables(connection)
    return unread | {_DRIFT: max((unread.get(table, 0) for table in _tables_of_ways(manifest)), default=0)}


def _unread_of_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    if COVERAGE not in table_names(connection):
        return {}
    rows = connection.execute(
        "SELECT dataset, count(DISTINCT (org_id, entity_type, entity_id)) FROM coverage "
        "WHERE NOT list_contains(getvariable('complete_outcomes'), outcome) GROUP BY dataset"
    ).fetchall()
    return {table: unread for name, unread in rows if name in DATASETS for table in DATASETS[name].tables}


def _unlisted(manifest: Manifest) -> list[list[str | None]]:
    return [
        [org.org_id, dataset, kind, reason]
        for org in manifest.orgs
        for dataset, kinds in org.unlisted.items()
        for kind, reason in kinds.items()
    ]


def _invalid_items(manifest: Manifest) -> list[list[str | int | None]]:
    organizations: list[str | int | None] = [None, None, "ORGANIZATION", manifest.invalid_organizations]
    of_kinds: list[list[str | int | None]] = [
        [org.org_id, dataset, kind, items]
        for org in manifest.orgs
        for dataset, kinds in org.invalid_items.items()
        for kind, items in kinds.items()
    ]
    return [organizations, *of_kinds] if manifest.invalid_organizations else of_kinds


def _insert(connection: duckdb.DuckDBPyConnection, sql: str, rows: Sequence[Sequence[str | int | None]]) -> None:
    # executemany refuses an empty list.
    if rows:
        connection.executemany(sql, rows)


def _add_people(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> int:
    """Add the table of people; returns the number of organizations in it."""
    if COVERAGE not in table_names(connection):
        return 0
    connection.execute("CREATE TABLE manifest.listing (org_id VARCHAR, dataset VARCHAR)")
    pairs: list[list[str | None]] = [
        [org.org_id, dataset] for org in manifest.orgs for dataset in _listing(manifest, org)
    ]
    _insert(connection, "INSERT INTO manifest.listing VALUES (?, ?)", pairs)
    connection.execute(
        "CREATE VIEW manifest.people AS SELECT DISTINCT org_id, entity_id AS person_id "
        "FROM coverage SEMI JOIN manifest.listing USING (org_id, dataset) WHERE entity_type = 'PERSON'"
    )
    (found,) = connection.execute("SELECT count(DISTINCT org_id) FROM manifest.people").fetchall()
    return int(found[0])


def _listing(manifest: Manifest, org: Org) -> list[str]:
    """The datasets whose coverage holds all people of an organization."""
    if org.message is not None:
        return []
    wants_all = manifest.scope.users == "all"
    return [
        name
        for name in manifest.scope.datasets
        if name in DATASETS
        and (wants_all or not DATASETS[name].by_user)
        and EntityType.PERSON not in {*org.unlisted.get(name, ()), *org.invalid_items.get(name, ())}
    ]
