"""SQL for the differences of settings: tables of any dataset with a row for each entity or meeting site."""

from collections.abc import Iterable

import duckdb

from audit.columns import IDENTITY_SCHEMA
from audit.review.quoting import identifier, literal
from audit.review.tables import CURRENT, PREVIOUS
from audit.snapshot.org_names import ORG_NAME

_SITE = "site_url"
#: Columns that identify a row, and counts that the tables of members show better.
_COUNTS = ("member_count", "originator_count", "target_count")
_NOT_SETTINGS = frozenset({*IDENTITY_SCHEMA.names, ORG_NAME.name, _SITE, *_COUNTS})
#: Also null if the token may not read it, which is not a change.
_MAYBE_HIDDEN = "email"


def settings_sql(connection: duckdb.DuckDBPyConnection, dataset: str) -> list[str]:
    """Queries for the settings of a dataset that changed, were added or were removed, for `diff_order.sql`.

    Args:
        connection: has the views of both snapshots and the tables of `diff.sql`.
        dataset: a dataset whose table both snapshots have.
    """
    old, new = _columns(connection, PREVIOUS, dataset), _columns(connection, CURRENT, dataset)
    site = _SITE if _SITE in old and _SITE in new else "NULL"
    return [
        _changed(dataset, [name for name in new if name in old and name not in _NOT_SETTINGS], site),
        _whole(dataset, "added", CURRENT, site, new),
        _whole(dataset, "removed", PREVIOUS, site, old),
    ]


def _columns(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> list[str]:
    found = connection.execute(f"SELECT * FROM {schema}.{identifier(table)} LIMIT 0").description  # noqa: S608
    return [column[0] for column in found]


def _changed(dataset: str, columns: Iterable[str], site: str) -> str:
    """Each column that differs in settings that both sides have."""
    of_site = "" if site == "NULL" else "AND o.site_url IS NOT DISTINCT FROM n.site_url"
    key = site if site == "NULL" else f"n.{site}"
    pairs = ", ".join(
        f"{{'name': {literal(name)}, 'old': {_value(name, 'o', 'n')}, 'new': {_value(name, 'n', 'o')}}}"
        for name in columns
    )
    differ = " OR ".join(f"o.{identifier(name)} IS DISTINCT FROM n.{identifier(name)}" for name in columns)
    return f"""SELECT 'changed' AS kind, {literal(dataset)} AS "table", org_id, entity_id, key,
               d.name AS "column", d.old, d.new
        FROM (
          SELECT n.org_id, n.entity_id, {key} AS key,
                 unnest(list_filter([{pairs}], lambda d: d.old IS DISTINCT FROM d.new)) AS d
          FROM {PREVIOUS}.{identifier(dataset)} AS o
          JOIN {CURRENT}.{identifier(dataset)} AS n ON o.org_id = n.org_id AND o.entity_id = n.entity_id {of_site}
          WHERE {differ}
        )"""  # noqa: S608


def _value(name: str, side: str, other: str) -> str:
    text = f"CAST({side}.{identifier(name)} AS VARCHAR)"
    return f"CASE WHEN {other}.{name} IS NOT NULL THEN {text} END" if name == _MAYBE_HIDDEN else text


def _whole(dataset: str, kind: str, schema: str, site: str, columns: Iterable[str]) -> str:
    """Settings of one side, if the other side answered that there are none: all columns as one text."""
    texts = ", ".join(
        f"{literal(name + '=')} || CAST(s.{identifier(name)} AS VARCHAR)"
        for name in columns
        if name not in _NOT_SETTINGS
    )
    of_site = "" if site == "NULL" else "AND s.site_url IS NOT DISTINCT FROM j.site_url"
    side = "new" if kind == "added" else "old"
    return f"""SELECT kind, dataset AS "table", j.org_id, j.entity_id, j.site_url AS key,
               concat_ws(', ', {texts}) AS {side}, old_state, new_state
        FROM judged AS j
        LEFT JOIN {schema}.{identifier(dataset)} AS s ON s.org_id = j.org_id AND s.entity_id = j.entity_id {of_site}
        WHERE kind = '{kind}' AND dataset = {literal(dataset)} AND {side}_outcome = 'ok'"""  # noqa: S608
