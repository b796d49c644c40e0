"""Who may call each room, as DuckDB tables, which may have millions of rows."""

import duckdb

from audit.review.absence import reason_of_absence
from audit.review.report.ways import create_opening
from audit.review.tables import CURRENT, PREVIOUS, table_names
from audit.snapshot.manifest import Manifest

_DATASET = "push_to_talk"

_MEMBERS = """
CREATE TEMP TABLE {schema}_member AS
SELECT org_id, entity_type, entity_id,
       coalesce(member_id, member_email, member_display_name, '') AS member_key,
       arg_min(coalesce(nullif(trim(member_display_name), ''),
                        nullif(trim(concat_ws(' ', member_first_name, member_last_name)), ''),
                        member_email, member_id), member_position) AS name,
       min(member_email) AS email, min(member_type) AS member_type, min(member_position) AS position
FROM {schema}.push_to_talk_members GROUP BY ALL
"""
_NO_MEMBERS = """
CREATE TEMP TABLE {schema}_member (org_id VARCHAR, entity_type VARCHAR, entity_id VARCHAR, member_key VARCHAR,
                                   name VARCHAR, email VARCHAR, member_type VARCHAR, position INTEGER)
"""
_LISTS = """
CREATE TEMP TABLE {schema}_list AS
SELECT org_id, entity_type, entity_id, count(*) AS member_total, list(member_key ORDER BY member_key) AS member_keys
FROM {schema}_member GROUP BY ALL
"""
# What opens without Push-to-Talk settings is a room, too.
_ROOMS = """
CREATE TEMP TABLE room AS
WITH entity AS (
SELECT org_id, entity_type, entity_id, entity_name, location_name, allow_auto_answer, connection_type, access_type,
       true AS has_settings FROM {settings}
UNION ALL BY NAME
SELECT org_id, entity_type, entity_id, entity_name, location_name, '' AS connection_type, '' AS access_type,
       false AS has_settings FROM opening ANTI JOIN {settings} USING (org_id, entity_type, entity_id)
),
setting AS (
SELECT org_id, entity_type, entity_id, entity.entity_name, entity.location_name, connection_type, access_type,
       coalesce(member_total, 0) AS member_total,
       count(*) OVER (PARTITION BY org_id, entity.entity_name) > 1 AS is_twin,
       CASE connection_type WHEN 'TWO_WAY' THEN 'listens' WHEN 'ONE_WAY' THEN 'speaks' ELSE 'perhaps' END AS direction,
       CASE WHEN NOT has_settings THEN 'none'
            WHEN NOT allow_auto_answer THEN 'off'
            WHEN access_type = 'BLOCK_MEMBERS' THEN 'everybody'
            WHEN access_type <> 'ALLOW_MEMBERS' THEN 'unclear'
            WHEN member_total IS NULL THEN 'nobody'
            ELSE 'members' END AS reach,
       coalesce(ways, []) AS ways, coalesce(pagers, 0) AS pagers, device, seen_ms,
       {since}
FROM entity LEFT JOIN main_list USING (org_id, entity_type, entity_id)
     LEFT JOIN opening USING (org_id, entity_type, entity_id) {previous}
)
SELECT row_number() OVER (ORDER BY {exposure}) AS place, * FROM setting
"""
#: Rooms that somebody may call by Push-to-Talk.
AUTOMATIC = "reach NOT IN ('nobody', 'off', 'none')"
# The most exposed rooms come first, so that no cut hides a room after one that is less exposed. An undocumented
# direction may let the caller listen. A room that answers ordinary calls lets whoever can dial it listen.
_ANSWERS = "list_contains(ways, 'answer_settings')"
_IS_SHUT = "(reach IN ('off', 'nobody', 'none') AND ways = [])"
_PAGES_ONLY = "(reach IN ('off', 'nobody', 'none') AND ways <> [])"
_EXPOSURE = f"""
{_IS_SHUT} AND reach = 'off', {_IS_SHUT} AND reach = 'nobody',
CASE WHEN {_ANSWERS} THEN 1 WHEN {_PAGES_ONLY} THEN 3
     ELSE list_position(['listens', 'perhaps', 'speaks'], direction) END,
CASE WHEN {_ANSWERS} THEN 1 WHEN {_PAGES_ONLY} THEN 3
     ELSE list_position(['everybody', 'unclear', 'members', 'nobody', 'off'], reach) END,
CASE WHEN {_ANSWERS} THEN 0 WHEN {_PAGES_ONLY} THEN -pagers WHEN reach = 'everybody' THEN member_total
     ELSE -member_total END, entity_name, org_id, entity_type, entity_id
"""
# Entities whose settings are not known, or which have none.
_UNREAD = """
CREATE TEMP TABLE unread AS
SELECT org_id, entity_type, entity_id, min(entity_name) AS entity_name, min(location_name) AS location_name,
       min(outcome) AS outcome
FROM {source} ANTI JOIN room USING (org_id, entity_type, entity_id) WHERE dataset = 'push_to_talk' GROUP BY ALL
"""
_ALONE = "'alone' AS since, NULL AS since_reason, NULL AS since_ms"
_SINCE = """
CASE WHEN other_changed THEN 'changed'
     WHEN NOT has_settings THEN if(other_unknown, 'not_answered', 'unchanged')
     WHEN was_access IS NULL AND was_outcome <> 'ok' AND list_contains(getvariable('complete_outcomes'), was_outcome)
     THEN was_outcome
     WHEN was_access IS NULL AND was_outcome IS NOT NULL THEN 'not_answered'
     WHEN was_access IS NULL AND why_absent IS NOT NULL THEN 'not_audited'
     WHEN was_access IS NULL THEN 'not_listed'
     WHEN (was_on, was_connection, was_access, old_keys)
          IS NOT DISTINCT FROM (allow_auto_answer, connection_type, access_type, member_keys)
     THEN if(other_unknown, 'not_answered', 'unchanged') ELSE 'changed' END AS since,
why_absent AS since_reason, coalesce(was_ms, other_ms) AS since_ms
"""
_BEFORE = """
LEFT JOIN (SELECT org_id, entity_type, entity_id, allow_auto_answer AS was_on, connection_type AS was_connection,
                  access_type AS was_access FROM previous_settings) USING (org_id, entity_type, entity_id)
LEFT JOIN (SELECT org_id, entity_type, entity_id, member_keys AS old_keys FROM previous_list)
          USING (org_id, entity_type, entity_id)
LEFT JOIN previous_outcome USING (org_id, entity_type, entity_id)
LEFT JOIN absence USING (org_id, entity_type)
LEFT JOIN other_way USING (org_id, entity_type, entity_id)
"""
# Whether a room opens since then, or no longer, in another way; what only one side knows is not a change.
_OTHER_WAYS = """
CREATE TEMP TABLE other_way AS
SELECT org_id, entity_type, entity_key AS entity_id, bool_or(is_changed) AS other_changed,
       bool_or(is_unknown) AS other_unknown, min(epoch_ms(answered)) AS other_ms
FROM (
    SELECT org_id, entity_type, entity_key, previous.at AS answered,
           state = 'closed' OR (state = 'open' AND NOT is_same) AS is_changed,
           state = 'not known' AS is_unknown
    FROM main_ways.previous WHERE way <> 'push_to_talk'
    UNION ALL
    SELECT org_id, entity_type, entity_key, NULL, true, false
    FROM (FROM previous_ways.way WHERE way <> 'push_to_talk') AS gone
    ANTI JOIN main_ways.way USING (org_id, way, entity_type, entity_key)
    JOIN main_ways.answer ON answer.org_id = gone.org_id AND answer.way = gone.way AND answer.is_known
        AND answer.entity_type = if(gone.way = 'paging', '', gone.entity_type)
        AND answer.entity_key = if(gone.way = 'paging', '', gone.entity_key)
    ANTI JOIN main_ways.gap ON gap.org_id = gone.org_id AND gap.way = gone.way AND gap.is_whole
        AND gap.entity_type = if(gone.way = 'paging', '', gone.entity_type)
)
GROUP BY ALL
"""
_NO_OTHER_WAYS = """
CREATE TEMP TABLE other_way (org_id VARCHAR, entity_type VARCHAR, entity_id VARCHAR, other_changed BOOLEAN,
                             other_unknown BOOLEAN, other_ms BIGINT)
"""
# A dataset without rows has an empty table, or no file and so no table.
_SETTINGS = """
CREATE TEMP VIEW previous_settings AS
SELECT org_id, entity_type, entity_id, allow_auto_answer, connection_type, access_type FROM {source}
"""
_OUTCOMES = """
CREATE TEMP TABLE previous_outcome AS
SELECT org_id, entity_type, entity_id, min(outcome) AS was_outcome, min(epoch_ms(fetched_at)) AS was_ms
FROM {source} WHERE dataset = 'push_to_talk' GROUP BY ALL
"""
_NO_COVERAGE = """(SELECT NULL::VARCHAR AS org_id, NULL::VARCHAR AS dataset, NULL::VARCHAR AS entity_type,
NULL::VARCHAR AS entity_id, NULL::VARCHAR AS entity_name, NULL::VARCHAR AS location_name,
NULL::VARCHAR AS outcome, NULL::TIMESTAMPTZ AS fetched_at LIMIT 0)"""
SHOWN = "SELECT * FROM room WHERE place <= ? ORDER BY place"
KINDS = "SELECT DISTINCT entity_type FROM room ORDER BY entity_type DESC"
LEFT_OUT = """
SELECT direction, reach, entity_type, list_contains(ways, 'answer_settings') AS answers,
       list_contains(ways, 'paging') AS pages, count(*) AS rooms
FROM room WHERE place > ? GROUP BY ALL
ORDER BY min(place), entity_type
"""
SHOWN_MEMBERS = """
SELECT place, name, email FROM room JOIN main_member USING (org_id, entity_type, entity_id) WHERE place <= ?
QUALIFY row_number() OVER (PARTITION BY place ORDER BY position) <= ? ORDER BY place, position
"""
_PEOPLE = """
CREATE TEMP TABLE person AS
SELECT org_id, member_key, min(name) AS name, min(email) AS email, min(main_member.member_type) AS member_type,
       count(*) AS room_total, count(*) FILTER (direction = 'listens') AS heard,
       count(*) FILTER (direction = 'perhaps') AS perhaps,
       list(coalesce(entity_name, entity_id) ORDER BY place)[1:?] AS rooms
FROM main_member JOIN room USING (org_id, entity_type, entity_id) WHERE reach = 'members' GROUP BY org_id, member_key
"""
SHOWN_PEOPLE = """
SELECT org_id, name, email, member_type, room_total, heard, perhaps, rooms
FROM person ORDER BY heard DESC, perhaps DESC, room_total DESC, name, email, member_key LIMIT ?
"""
EXPOSURE = """
SELECT reach, count(*) AS rooms, count(*) FILTER (connection_type = 'TWO_WAY') AS heard,
       count(*) FILTER (connection_type = 'ONE_WAY') AS spoken FROM room GROUP BY reach
"""
LOCATIONS = f"""
SELECT location_name, count(*) AS rooms, count(*) FILTER (connection_type = 'TWO_WAY') AS heard,
       count(*) FILTER (connection_type = 'ONE_WAY') AS spoken FROM room WHERE {AUTOMATIC}
GROUP BY location_name ORDER BY heard DESC, rooms - spoken DESC, rooms DESC, location_name LIMIT ?
"""  # noqa: S608 - constants
LOCATION_TOTAL = f"""
SELECT count(*) FROM (SELECT DISTINCT location_name FROM room WHERE {AUTOMATIC})
"""  # noqa: S608 - constants


def create_tables(connection: duckdb.DuckDBPyConnection, against: Manifest | None, *, max_rooms_of_person: int) -> None:
    """Create the tables `room` (who may call each), `unread` (no settings) and `person` (who may call by name).

    `room.place` numbers the rooms from 1, the most exposed first.

    Args:
        connection: from `audit.review.tables.open_tables`.
        against: manifest of the earlier snapshot, if there is one to compare with.
        max_rooms_of_person: the most rooms that are listed for a person.
    """
    # The views of `main_ways` have no rows where the snapshot has no table.
    has_ways = create_opening(connection)
    settings = f"{CURRENT}_ways.{_DATASET}" if has_ways else f"{CURRENT}.{_DATASET}"
    for schema in (CURRENT, PREVIOUS) if against else (CURRENT,):
        has_members = "push_to_talk_members" in table_names(connection, schema)
        connection.execute((_MEMBERS if has_members else _NO_MEMBERS).format(schema=schema))
        connection.execute(_LISTS.format(schema=schema))
    if against:
        connection.execute(_OTHER_WAYS if has_ways else _NO_OTHER_WAYS)
        _create_previous(connection, against, settings)
    since, previous = (_SINCE, _BEFORE) if against else (_ALONE, "")
    connection.execute(_ROOMS.format(since=since, previous=previous, exposure=_EXPOSURE, settings=settings))
    source = "coverage" if "coverage" in table_names(connection) else _NO_COVERAGE
    connection.execute(_UNREAD.format(source=source))
    connection.execute(_PEOPLE, [max_rooms_of_person])


def _create_previous(connection: duckdb.DuckDBPyConnection, against: Manifest, now: str) -> None:
    """Create what the snapshot before says about each room, and why rooms of a kind may be absent there."""
    names = table_names(connection, PREVIOUS)
    # The columns are the same; a snapshot without rooms may lack the table.
    settings = f"{PREVIOUS}.{_DATASET}" if _DATASET in names else f"{now} LIMIT 0"
    connection.execute(_SETTINGS.format(source=settings))
    connection.execute(_OUTCOMES.format(source=f"{PREVIOUS}.coverage" if "coverage" in names else _NO_COVERAGE))
    kinds = connection.execute("SELECT DISTINCT entity_type FROM previous_outcome").fetchall()
    listed = {(_DATASET, kind) for (kind,) in kinds}
    connection.execute("CREATE TEMP TABLE absence (org_id VARCHAR, entity_type VARCHAR, why_absent VARCHAR)")
    for org_id, kind in connection.execute(f"SELECT DISTINCT org_id, entity_type FROM {now}").fetchall():  # noqa: S608
        why = reason_of_absence(against, org_id, _DATASET, kind, listed)
        connection.execute("INSERT INTO absence VALUES (?, ?, ?)", [org_id, kind, why])
