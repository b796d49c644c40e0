"""The tables of the index, in DuckDB: people by number, and who is on which list."""

import duckdb

from audit.review.tables import table_names

#: Also finds a person by a name that differs from the one that is shown.
_CONTACT = """
CREATE TEMP TABLE contact AS
SELECT org_id, coalesce(member_id, member_email, member_display_name, '') AS member_key,
       min(member_id) AS member_id,
       min(concat_ws(' ', nullif(trim(member_first_name), ''), nullif(trim(member_last_name), ''))) AS full_name,
       list_sort(list_distinct(flatten(list(DISTINCT [number_external, number_esn, number_extension])))) AS numbers
FROM push_to_talk_members GROUP BY ALL
"""
_NO_CONTACT = """
CREATE TEMP TABLE contact (org_id VARCHAR, member_key VARCHAR, member_id VARCHAR, full_name VARCHAR,
                           numbers VARCHAR[])
"""
_SOMEBODY = """
CREATE TEMP TABLE somebody AS
SELECT row_number() OVER (ORDER BY name, email, org_id, member_key) - 1 AS person, *
FROM (SELECT org_id, member_key, min(name) AS name, min(email) AS email, min(member_type) AS member_type
      FROM main_member GROUP BY ALL)
"""
_LISTED = """
CREATE TEMP TABLE listed AS
SELECT org_id, entity_type, entity_id, list(person ORDER BY person) AS people
FROM main_member JOIN somebody USING (org_id, member_key) GROUP BY ALL
"""
_SHORT = "CREATE TEMP MACRO short(name) AS left(name, {chars})"
SIZES = """
SELECT (SELECT count(*) FROM room) AS rooms, (SELECT count(*) FROM unread) AS unread,
       (SELECT count(*) FROM somebody) AS people, (SELECT count(*) FROM main_member) AS listed
"""
PEOPLE = """
SELECT org_id, short(name), nullif(short(email), short(name)), coalesce(member_type, ''), short(member_id),
       CASE WHEN full_name = name THEN '' ELSE short(coalesce(full_name, '')) END,
       list_transform(coalesce(numbers, [])[1:100], lambda each: short(each))
FROM somebody LEFT JOIN contact USING (org_id, member_key) ORDER BY person
"""
ROOMS = """
SELECT org_id, entity_type, short(entity_id), short(entity_name), short(location_name), direction,
       CASE direction WHEN 'perhaps' THEN short(connection_type) ELSE '' END, reach,
       CASE reach WHEN 'unclear' THEN short(access_type) ELSE '' END,
       state, is_open, detail, since, since_reason, since_ms, coalesce(people, []), ways, pagers, device, seen_ms
FROM room LEFT JOIN listed USING (org_id, entity_type, entity_id)
     LEFT JOIN approval USING (org_id, entity_type, entity_id)
ORDER BY place
"""
UNREAD = """
SELECT org_id, entity_type, short(entity_id), short(entity_name), short(location_name), outcome
FROM unread ORDER BY entity_name, org_id, entity_type, entity_id
"""


def create_index_tables(connection: duckdb.DuckDBPyConnection, chars: int) -> None:
    """Create the tables that `SIZES`, `PEOPLE`, `ROOMS` and `UNREAD` read.

    Args:
        connection: has the tables of `audit.review.report.reach_tables.create_tables`, and `approval`
            (`audit.review.report.approved.find_since_approval`).
        chars: the most characters of a text; no run accepts a longer name, but anybody may have written the snapshot.
    """
    connection.execute(_SHORT.format(chars=chars))
    connection.execute(_CONTACT if "push_to_talk_members" in table_names(connection) else _NO_CONTACT)
    connection.execute(_SOMEBODY)
    connection.execute(_LISTED)
