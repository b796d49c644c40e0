"""Totals of Push-to-Talk by kind of entity and by organization, and what changed entities are now."""

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from audit.review.report.changed import Entity, Now
from audit.review.report.reach_tables import AUTOMATIC
from audit.review.report.rows import fetch, fetch_dicts
from audit.review.tables import table_names
from audit.snapshot.org import Org

_DATASET = "push_to_talk"


@dataclass(frozen=True)
class KindTotal:
    """The settings that could be read for a kind of entity.

    Attributes:
        entity_type: `WORKSPACE`, `PERSON` or `VIRTUAL_LINE`.
        rooms: number of entities.
        automatic: number of those that auto-answer somebody.
    """

    entity_type: str
    rooms: int
    automatic: int


@dataclass(frozen=True)
class OrgTotal:
    """The settings of an organization, and what is not known of it.

    Attributes:
        org: the organization.
        rooms: number of entities whose settings could be read.
        automatic: number of those that auto-answer somebody.
        heard: number of these in which the caller can listen.
        undirected: number of these whose direction is not documented.
        unanswered: number of entities without a complete answer.
    """

    org: Org
    rooms: int = 0
    automatic: int = 0
    heard: int = 0
    undirected: int = 0
    unanswered: int = 0


# A snapshot that is not by this program may have any number of kinds.
_KINDS = f"""
SELECT CASE WHEN entity_type IN ('PERSON', 'VIRTUAL_LINE') THEN entity_type ELSE 'WORKSPACE' END AS entity_type,
       count(*) FILTER (reach <> 'none') AS rooms, count(*) FILTER ({AUTOMATIC}) AS automatic
FROM room GROUP BY 1 ORDER BY 1 DESC
"""  # noqa: S608 - constants
_ORGS = f"""
SELECT org_id, coalesce(rooms, 0) AS rooms, coalesce(automatic, 0) AS automatic, coalesce(heard, 0) AS heard,
       coalesce(undirected, 0) AS undirected, coalesce(unanswered, 0) AS unanswered
FROM (SELECT org_id, count(*) FILTER (reach <> 'none') AS rooms, count(*) FILTER ({AUTOMATIC}) AS automatic,
             count(*) FILTER ({AUTOMATIC} AND connection_type = 'TWO_WAY') AS heard,
             count(*) FILTER ({AUTOMATIC} AND connection_type NOT IN ('ONE_WAY', 'TWO_WAY')) AS undirected
      FROM room GROUP BY org_id)
FULL JOIN ({{unanswered}}) USING (org_id)
"""  # noqa: S608 - constants
_UNANSWERED = """
SELECT org_id, count(*) AS unanswered FROM coverage
WHERE dataset = 'push_to_talk' AND NOT list_contains(getvariable('complete_outcomes'), outcome) GROUP BY org_id
"""
_NONE = "SELECT NULL::VARCHAR AS org_id, 0 AS unanswered LIMIT 0"
_STATES = """
SELECT org_id, entity_type, entity_id, reach, connection_type, list_contains(ways, 'answer_settings') FROM room
SEMI JOIN (SELECT unnest(?) AS entity_id) USING (entity_id)
"""
_GROUPS = """
SELECT org_id, entity_type, entity_id,
       if(enabled IS DISTINCT FROM false AND originator_count > 0 AND target_count > 0, 'members', 'off') AS reach,
       'ONE_WAY' AS connection_type, false AS answers
FROM paging_groups SEMI JOIN (SELECT unnest(?) AS entity_id) USING (entity_id)
"""


def find_kinds(connection: duckdb.DuckDBPyConnection) -> list[KindTotal]:
    """Totals by kind of entity, from the table `room` of `audit.review.report.reach_tables`."""
    return fetch(connection, KindTotal, _KINDS)


def find_orgs(connection: duckdb.DuckDBPyConnection, orgs: list[Org]) -> list[OrgTotal]:
    """Totals by organization, those with most rooms into which a caller can listen first.

    Args:
        connection: has the table `room`.
        orgs: the organizations of the manifest.
    """
    unanswered = _UNANSWERED if "coverage" in table_names(connection) else _NONE
    rows = {row.pop("org_id"): row for row in fetch_dicts(connection, _ORGS.format(unanswered=unanswered))}
    totals = [OrgTotal(org, **rows.get(org.org_id, {})) for org in orgs]
    return sorted(totals, key=lambda each: (-each.heard, -each.automatic, each.org.is_audited, -each.unanswered))


def states_of(connection: duckdb.DuckDBPyConnection) -> Callable[[set[Entity]], dict[Entity, Now]]:
    """A look-up of what entities are now, for `audit.review.report.changed.fold`."""
    tables = [_STATES, *([_GROUPS] if "paging_groups" in table_names(connection) else [])]

    def look_up(entities: set[Entity]) -> dict[Entity, Now]:
        ids = [each.entity_id for each in entities]
        rows = [row for sql in tables for row in connection.execute(sql, [ids]).fetchall()]
        return {Entity(*row[:3]): Now(*row[3:]) for row in rows}

    return look_up
