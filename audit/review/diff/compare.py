"""The differences between two snapshots of any size, by SQL over their Parquet files.

What was not answered or not asked for on either side is `unknown`, never `removed`.
"""

import logging
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import duckdb
import msgspec

from audit.errors import UsageError
from audit.review.absence import gaps, reason_of_absence
from audit.review.diff.change import Change
from audit.review.diff.events import AdminLog
from audit.review.diff.settings import settings_sql
from audit.review.tables import CURRENT, PREVIOUS, is_out_of_memory, open_tables, table_names
from audit.snapshot.catalog import Snapshot
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.manifest import Manifest
from audit.snapshot.org_names import org_names

log = logging.getLogger(__name__)

MEMBERS = "push_to_talk_members"
PAGING_MEMBERS = "paging_group_members"

#: Differences in memory at once.
_FETCHED = 1000
_REMOVED = {
    "not_licensed": "it has no Webex Calling license of the right kind any more",
    "not_found": "it can't be found any more",
    "not listed": "it is not in the listing any more",
}
_ADDED = {
    "not_licensed": "it has a Webex Calling license of the right kind now",
    "not_found": "it can be found now",
    "not listed": "it is in the listing now",
}


def compare(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    """The differences, ordered by organization, location, name and id of the entity, then table, key and column.

    Members are compared by entity and id, and members without an id by their names; the order of members and of
    numbers does not matter. DuckDB computes all differences before it returns the first, and spills to disk what
    does not fit into memory.

    Args:
        old: the earlier snapshot.
        new: the later snapshot.

    Raises:
        UsageError: a snapshot has no Parquet, lacks a table, or is damaged.
    """
    if old.manifest.base_url != new.manifest.base_url:
        log.warning("the snapshots come from different APIs: %s and %s", old.manifest.base_url, new.manifest.base_url)
    try:
        with open_tables(new, old) as connection:
            _prepare(connection, old, new)
            admin_log = AdminLog.open(connection, old.manifest, new.manifest)
            found = connection.execute(_changes(connection))
            columns = [column[0] for column in found.description]
            names = _org_names(old.manifest, new.manifest)
            while rows := found.fetchmany(_FETCHED):
                differences = [dict(zip(columns, row, strict=True)) for row in rows]
                yield from (_change(row, names) for row in admin_log.beside(differences))
    except duckdb.Error as error:
        ids = f"{old.manifest.snapshot_id} and {new.manifest.snapshot_id}"
        why = (
            "they need too much memory"
            if is_out_of_memory(error)
            else "their tables are not as webex-audit writes them"
        )
        raise UsageError(f"snapshots {ids} can't be compared: {why}; 'webex-audit verify' says more") from None


def _org_names(old: Manifest, new: Manifest) -> dict[str, str | None]:
    """The names of the organizations of both; a name that is not known in the later snapshot may be in the earlier."""
    later = {org_id: name for org_id, name in org_names(new.orgs).items() if name is not None}
    return org_names(old.orgs) | later


def _change(row: dict[str, Any], names: dict[str, str | None]) -> Change:
    reason = _reason(str(row["kind"]), row.pop("old_state"), row.pop("new_state"))
    return msgspec.convert({**row, "org_name": names.get(str(row["org_id"])), "reason": reason}, Change)


def _reason(kind: str, old_state: str | None, new_state: str | None) -> str | None:
    """What both sides say about an entity or a site, in words; None if that needs no words."""
    if old_state is None or new_state is None:
        return None
    why = {"removed": _REMOVED.get(new_state), "added": _ADDED.get(old_state)}.get(kind)
    return f"old: {old_state}; new: {new_state}" + (f": {why}" if why else "")


def _prepare(connection: duckdb.DuckDBPyConnection, old: Snapshot, new: Snapshot) -> None:
    """Create the tables and views that the differences are read from."""
    for schema, name in ((PREVIOUS, "old_coverage"), (CURRENT, "new_coverage")):
        if COVERAGE in table_names(connection, schema):
            connection.execute(f"CREATE TEMP VIEW {name} AS FROM {schema}.{COVERAGE}")
        else:
            connection.register(name, COVERAGE_SCHEMA.empty_table())
    connection.execute(
        "CREATE TEMP VIEW reads_of_both AS "
        "SELECT false AS is_new, org_id, dataset, entity_id, entity_name, fetched_at FROM old_coverage UNION ALL "
        "SELECT true, org_id, dataset, entity_id, entity_name, fetched_at FROM new_coverage"
    )
    _create_absences(connection, old.manifest, new.manifest)
    _run(connection, "diff.sql")
    if MEMBERS in _in_both(connection):
        _run(connection, "diff_members.sql")
        members = "SELECT org_id, entity_id, member_id FROM member_pairs WHERE o IS NOT NULL AND member_id IS NOT NULL"
    else:
        members = "SELECT NULL::VARCHAR AS org_id, NULL::VARCHAR AS entity_id, NULL::VARCHAR AS member_id LIMIT 0"
    connection.execute(f"CREATE TEMP VIEW old_members AS {members}")
    _prepare_paging(connection)


def _prepare_paging(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the view of who joined or left a paging group, if either side has any."""
    sides = {"old_paging": PREVIOUS, "new_paging": CURRENT}
    found = [schema for schema in sides.values() if PAGING_MEMBERS in table_names(connection, schema)]
    for view, schema in sides.items() if found else ():
        # A table without rows may have no file.
        source = f"{schema}.{PAGING_MEMBERS}" if schema in found else f"{found[0]}.{PAGING_MEMBERS} LIMIT 0"
        connection.execute(f"CREATE TEMP VIEW {view} AS FROM {source}")
    if found:
        _run(connection, "diff_paging.sql")


def _create_absences(connection: duckdb.DuckDBPyConnection, old: Manifest, new: Manifest) -> None:
    """Create tables of what was not asked for, and of what could not be listed, from the manifests."""
    kinds = [_kinds(connection, "old_coverage"), _kinds(connection, "new_coverage")]
    unlisted = {gap[:3] for manifest in (old, new) for gap in gaps(manifest)} - kinds[0] - kinds[1]
    reasons = {
        place: [
            reason_of_absence(manifest, *place, {each[1:] for each in listed})
            for manifest, listed in zip((old, new), kinds, strict=True)
        ]
        for place in sorted(kinds[0] | kinds[1] | unlisted)
    }
    columns = "org_id VARCHAR, dataset VARCHAR, entity_type VARCHAR, old_reason VARCHAR, new_reason VARCHAR"
    for name, is_gap in (("absence", False), ("gaps", True)):
        connection.execute(f"CREATE TEMP TABLE {name} ({columns})")
        if rows := [[*place, *each] for place, each in reasons.items() if (place in unlisted) is is_gap]:
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?)", rows)  # noqa: S608
    connection.execute("CREATE TEMP TABLE chosen_sites (old_sites VARCHAR[], new_sites VARCHAR[])")
    connection.execute("INSERT INTO chosen_sites VALUES (?, ?)", [old.scope.sites, new.scope.sites])


def _kinds(connection: duckdb.DuckDBPyConnection, coverage: str) -> set[tuple[str, str, str]]:
    return set(connection.execute(f"SELECT DISTINCT org_id, dataset, entity_type FROM {coverage}").fetchall())  # noqa: S608


def _run(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    connection.execute((files("audit.review.diff") / name).read_text("utf-8"))


def _in_both(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return sorted({*table_names(connection, CURRENT)} & {*table_names(connection, PREVIOUS)})


def _changes(connection: duckdb.DuckDBPyConnection) -> str:
    """The query of all differences, in order."""
    names = _in_both(connection)
    has_paging = any(PAGING_MEMBERS in table_names(connection, schema) for schema in (CURRENT, PREVIOUS))
    parts = ["FROM coverage_changes", *(["FROM member_changes"] if MEMBERS in names else [])]
    parts += ["FROM paging_changes"] if has_paging else []
    for (dataset,) in connection.execute("SELECT DISTINCT dataset FROM coverage_of_both ORDER BY ALL").fetchall():
        parts += settings_sql(connection, dataset) if dataset in names else []
    return (
        (files("audit.review.diff") / "diff_order.sql")
        .read_text("utf-8")
        .replace("@parts", " UNION ALL BY NAME ".join(parts))
    )
