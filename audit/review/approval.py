"""Who may open which room, compared with the approved snapshot.

Rooms are compared by id, and members by id, or by email address or name where either side has no id. Names, locations,
numbers and the order of lists do not matter, and what either snapshot does not know is not a difference.

==============  ========================================================================================
`approval`      `org_id, entity_type, entity_id, state, is_open, detail`: a row for each room of the snapshot,
                for all ways together; the state is `approved`, `differs`, `added` (new since the approval) or
                `unknown`; `is_open` if it opens more than approved
`way_approval`  `org_id, way, entity_type, entity_id, judgement`, and more: the same for each way, in the words
                of the column `approved` of `open_rooms`
`drift`         `org_id, way, entity_type, entity_id, entity_name, location_name, is_open, detail, key`: each
                difference
`unjudged`      `org_id, entity_type, entity_id, way, lacks`: rooms that open, and why the approval can't judge
                that
==============  ========================================================================================
"""

import duckdb

from audit.columns import without_docs
from audit.datasets.push_to_talk import PUSH_TO_TALK
from audit.review.absence import reason_of_absence
from audit.review.tables import APPROVED, CURRENT, table_names
from audit.review.ways import create_gaps, create_ways, readable, sql_file
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.manifest import Manifest
from audit.text import count_of

_ROOMS = PUSH_TO_TALK.name
_MEMBERS = "push_to_talk_members"
#: The views that the comparison reads, by the table that they show.
_VIEWS = {COVERAGE: "coverage", _ROOMS: "rooms", _MEMBERS: "members"}
_SCHEMAS = {COVERAGE: COVERAGE_SCHEMA, **PUSH_TO_TALK.tables}
#: The tables that it makes for rules and reports.
TABLES = ("approval", "way_approval", "drift", "unjudged")
_UNJUDGED = """
SELECT way, lacks, count(*) AS rooms FROM unjudged GROUP BY ALL ORDER BY rooms DESC, way DESC, lacks
"""
_MOST_REASONS = 5
_OPEN_WORDS = {
    "push_to_talk": ("room opens", "rooms open"),
    "answer_settings": ("room answers ordinary calls by itself", "rooms answer ordinary calls by themselves"),
    "paging": ("target of paging opens", "targets of paging open"),
}
_NOTHING = """
CREATE TEMP TABLE IF NOT EXISTS approval (org_id VARCHAR, entity_type VARCHAR, entity_id VARCHAR, state VARCHAR,
                                          is_open BOOLEAN, detail VARCHAR)
"""


def create_no_approval(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the temporary table `approval` without rows, unless `add_approval` has made it."""
    connection.execute(_NOTHING)


def add_approval(connection: duckdb.DuckDBPyConnection, manifest: Manifest, approved: Manifest) -> None:
    """Create the temporary tables `approval`, `way_approval`, `drift` and `unjudged`.

    Args:
        connection: from `audit.review.tables.open_tables`, with the approved snapshot.
        manifest: manifest of the snapshot.
        approved: manifest of the approved snapshot, which has the same scope.

    Raises:
        UsageError: the tables can't be read.
    """
    with readable(manifest):
        for schema, side in ((CURRENT, "now"), (APPROVED, "then")):
            names = table_names(connection, schema)
            for table, view in _VIEWS.items():
                _create_view(connection, f"{side}_{view}", f"{schema}.{table}" if table in names else None, table)
        _create_gaps(connection, approved)
        for schema, each in ((CURRENT, manifest), (APPROVED, approved)):
            create_ways(connection, schema)
            create_gaps(connection, schema, each)
        connection.execute(sql_file("approval"))
        connection.execute(sql_file("approval_ways"))


def unjudged_words(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Which open rooms the approved snapshot can't judge, and why; a text for each reason, the most frequent first.

    Args:
        connection: has the tables of `add_approval`.
    """
    found = connection.execute(_UNJUDGED).fetchall()
    texts = [f"{count_of(rooms, *_OPEN_WORDS[way])}, but {reason}" for way, reason, rooms in found[:_MOST_REASONS]]
    return [
        *texts,
        *([f"and {count_of(len(found) - _MOST_REASONS, 'more reason')}"] if len(found) > _MOST_REASONS else []),
    ]


def _create_view(connection: duckdb.DuckDBPyConnection, view: str, source: str | None, table: str) -> None:
    """Show a table, or no rows: a table without rows may have no file."""
    if source is None:
        source = f"no_{view}"
        connection.register(source, without_docs(_SCHEMAS[table]).empty_table())
    only = f" WHERE dataset = '{_ROOMS}'" if table == COVERAGE else ""
    connection.execute(f"CREATE TEMP VIEW {view} AS FROM {source}{only}")


def _create_gaps(connection: duckdb.DuckDBPyConnection, approved: Manifest) -> None:
    """Create the table of why rooms may be absent from the approved snapshot although they existed."""
    kinds = connection.execute("SELECT DISTINCT entity_type FROM then_coverage").fetchall()
    listed = {(_ROOMS, kind) for (kind,) in kinds}
    places = connection.execute("SELECT DISTINCT org_id, entity_type FROM now_coverage").fetchall()
    connection.execute("CREATE TEMP TABLE approval_gaps (org_id VARCHAR, entity_type VARCHAR, reason VARCHAR)")
    for org_id, kind in places:
        if reason := reason_of_absence(approved, org_id, _ROOMS, kind, listed):
            said = f"the approved snapshot can't say whether it was there: {reason}"
            connection.execute("INSERT INTO approval_gaps VALUES (?, ?, ?)", [org_id, kind, said])
