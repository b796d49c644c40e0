-- A row for each room, or phone, and each member who may open it; a row for each other room says who may, or why nobody.
-- Reads `room`, `unread` and `main_member` of audit/review/report/reach_tables.py, `approval`, `approval_word` and `organization`.
-- `place` orders rooms as `room.place` does, with those that are not known after those that open; sorting whole rows
-- would take too much memory.
CREATE TEMP TABLE who_may AS
WITH
named AS (
    SELECT org_id, entity_type, entity_id, min(member_total) AS listed,
           string_agg(name, '; ' ORDER BY position) FILTER (turn <= 50) AS names
    FROM (SELECT org_id, entity_type, entity_id, name, position, row_number() OVER room_list AS turn,
                 count(*) OVER (PARTITION BY org_id, entity_type, entity_id) AS member_total
          FROM main_member SEMI JOIN (SELECT * FROM room WHERE reach IN ('everybody', 'unclear'))
               USING (org_id, entity_type, entity_id)
          WINDOW room_list AS (PARTITION BY org_id, entity_type, entity_id ORDER BY position))
    GROUP BY ALL
),
-- Each line of the list once, as in `room`.
line AS (
    SELECT org_id, entity_type, entity_id, coalesce(member_id, member_email, member_display_name, '') AS member_key,
           min(member_id) AS member_id, string_agg(number, ', ' ORDER BY number_position) AS numbers
    FROM (SELECT *, concat_ws(' ', nullif(number_external, ''), '(ext. ' || nullif(number_extension, '') || ')') AS number
          FROM {members})
    GROUP BY ALL
),
opened AS (
    SELECT room.* EXCLUDE (direction), name, email,
           CASE WHEN connection_type = 'TWO_WAY' OR list_contains(ways, 'answer_settings') THEN 'listens and speaks'
                WHEN connection_type = 'ONE_WAY' OR reach = 'none' THEN 'only speaks' ELSE connection_type END AS direction,
           member_type, numbers, member_id, position,
           CASE reach WHEN 'members' THEN 'list (Allowed lines)'
                      WHEN 'everybody' THEN if(member_total = 0, 'everyone', 'everyone but (Blocked lines)')
                      WHEN 'unclear' THEN 'unclear: ' || coalesce(access_type, 'no word of the API')
                      WHEN 'nobody' THEN 'nobody: the list is empty'
                      WHEN 'none' THEN 'not known: no Push-to-Talk settings'
                      ELSE 'nobody: Push-to-Talk is off' END
           || CASE WHEN list_contains(ways, 'answer_settings') THEN '; whoever can dial it: answers ordinary calls' ELSE '' END
           || CASE WHEN list_contains(ways, 'paging') THEN '; by paging: sheet Open rooms' ELSE '' END AS access,
           CASE reach WHEN 'members' THEN name
                      WHEN 'everybody' THEN if(names IS NULL, 'everyone', 'everyone but ' || names)
                      WHEN 'unclear' THEN if(names IS NULL, 'not known', 'not known; listed: ' || names)
                      WHEN 'none' THEN 'not known'
                      ELSE if(ways = [], 'nobody', 'nobody by Push-to-Talk') END
           || if(list_contains(ways, 'answer_settings') AND reach <> 'members', '; whoever can dial it', '')
           || if(list_contains(ways, 'paging') AND reach <> 'members', '; callers of a paging group', '')
           || if(listed > 50 AND reach <> 'members', '; and ' || (listed - 50) || ' more', '') AS who
    FROM room
    LEFT JOIN (SELECT * FROM main_member SEMI JOIN (SELECT * FROM room WHERE reach = 'members')
               USING (org_id, entity_type, entity_id)) USING (org_id, entity_type, entity_id)
    LEFT JOIN line USING (org_id, entity_type, entity_id, member_key)
    LEFT JOIN named USING (org_id, entity_type, entity_id)
),
unknown AS (
    SELECT * FROM unread WHERE NOT list_contains(getvariable('complete_outcomes'), outcome)
),
row_of AS (
    SELECT org_id, entity_type, entity_id, entity_name, location_name, direction, access, who,
           email, member_type, numbers, member_id, position FROM opened
    UNION ALL BY NAME
    SELECT org_id, entity_type, entity_id, entity_name, location_name,
           'not known: no usable answer (' || outcome || ')' AS access, 'not known' AS who FROM unknown
),
placed AS (
    SELECT org_id, entity_type, entity_id, row_number() OVER (
        ORDER BY is_closed, place NULLS LAST, location_name, entity_name, org_id, entity_type, entity_id
    ) AS place
    FROM (SELECT org_id, entity_type, entity_id, entity_name, location_name, place,
                 reach IN ('nobody', 'off') AND ways = [] AS is_closed
          FROM room
          UNION ALL BY NAME
          SELECT org_id, entity_type, entity_id, entity_name, location_name, false AS is_closed FROM unknown)
)
SELECT placed.place, row_of.*, organization,
       concat_ws(': ', coalesce(said, approval.state, $no_approval), left(detail, $max_text)) AS approved
FROM row_of JOIN placed USING (org_id, entity_type, entity_id)
     LEFT JOIN approval USING (org_id, entity_type, entity_id)
     LEFT JOIN approval_word ON approval_word.state = CASE WHEN is_open THEN approval.state
         ELSE CASE approval.state WHEN 'differs' THEN 'narrower' WHEN 'added' THEN 'closed' ELSE approval.state END END
     LEFT JOIN organization USING (org_id);
