"""The differences of settings: one row for each entity, or for each of its meeting sites, whatever the dataset."""

from collections.abc import Iterable

import duckdb

from audit.columns import IDENTITY_SCHEMA
from audit.review.quoting import identifier, literal
from audit.review.tables import CURRENT, PREVIOUS

_SITE = "site_url"
#: What a row of settings is of, and what other tables tell better.
_NOT_SETTINGS = frozenset({*IDENTITY_SCHEMA.names, _SITE, "member_count"})
#: Null too where the token may not read it: then it is no change.
_MAYBE_UNTOLD = "email"


def settings_sql(connection: duckdb.DuckDBPyConnection, dataset: str) -> list[str]:
    """Queries of what changed, was added and was removed in a dataset's settings, for `diff_order.sql`.

    Args:
        connection: with the views of both snapshots, and what `diff.sql` creates.
        dataset: one whose table both of them have.
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
    """Settings that both sides have: each column that differs."""
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
    return f"CASE WHEN {other}.{name} IS NOT NULL THEN {text} END" if name == _MAYBE_UNTOLD else text


def _whole(dataset: str, kind: str, schema: str, site: str, columns: Iterable[str]) -> str:
    """Settings that one side has, and the other says that there are none: all columns as one text."""
    told = ", ".join(
        f"{literal(name + '=')} || CAST(s.{identifier(name)} AS VARCHAR)"
        for name in columns
        if name not in _NOT_SETTINGS
    )
    of_site = "" if site == "NULL" else "AND s.site_url IS NOT DISTINCT FROM j.site_url"
    side = "new" if kind == "added" else "old"
    return f"""SELECT kind, dataset AS "table", j.org_id, j.entity_id, j.site_url AS key,
               concat_ws(', ', {told}) AS {side}, old_state, new_state
        FROM judged AS j
        LEFT JOIN {schema}.{identifier(dataset)} AS s ON s.org_id = j.org_id AND s.entity_id = j.entity_id {of_site}
        WHERE kind = '{kind}' AND dataset = {literal(dataset)} AND {side}_outcome = 'ok'"""  # noqa: S608
