-- Who may open which room by Push-to-Talk now and in the approved snapshot. It needs the views now_coverage, then_coverage, now_rooms,
-- then_rooms, now_members, then_members, and approval_gaps: why rooms may be absent from the approved snapshot.

-- A room is what was asked for Push-to-Talk: a workspace, a person's phone or a virtual line. Numbers stand for rooms, as
-- they are compared faster.
CREATE TEMP TABLE room_number AS
SELECT row_number() OVER () AS room, *
FROM (
  SELECT org_id, entity_type, entity_id FROM now_coverage UNION SELECT org_id, entity_type, entity_id FROM then_coverage
);
CREATE TEMP TABLE now_room AS
SELECT room, org_id, entity_type, entity_id, c.entity_name, c.location_name, c.outcome,
       list_contains(getvariable('complete_outcomes'), c.outcome) AS is_known,
       c.outcome = 'ok' AND coalesce(r.allow_auto_answer, true) AS is_on, r.connection_type, r.access_type
FROM now_coverage AS c JOIN room_number USING (org_id, entity_type, entity_id)
LEFT JOIN now_rooms AS r USING (org_id, entity_type, entity_id);
CREATE TEMP TABLE then_room AS
SELECT room, c.outcome, list_contains(getvariable('complete_outcomes'), c.outcome) AS is_known,
       c.outcome = 'ok' AND coalesce(r.allow_auto_answer, true) AS is_on, r.connection_type, r.access_type
FROM then_coverage AS c JOIN room_number USING (org_id, entity_type, entity_id)
LEFT JOIN then_rooms AS r USING (org_id, entity_type, entity_id);

-- A member is its id. A member without an id is its email address, or its name if it has no address either. Blank ids,
-- addresses and names identify nobody.
CREATE TEMP MACRO name_of(display_name, first_name, last_name) AS
  coalesce(nullif(trim(display_name), ''), nullif(trim(concat_ws(' ', first_name, last_name)), ''), '');
CREATE TEMP TABLE now_member AS
SELECT DISTINCT room, nullif(trim(member_id), '') AS id, lower(nullif(trim(member_email), '')) AS email,
       name_of(member_display_name, member_first_name, member_last_name) AS name
FROM now_members JOIN room_number USING (org_id, entity_type, entity_id);
CREATE TEMP TABLE then_member AS
SELECT DISTINCT room, nullif(trim(member_id), '') AS id, lower(nullif(trim(member_email), '')) AS email,
       name_of(member_display_name, member_first_name, member_last_name) AS name
FROM then_members JOIN room_number USING (org_id, entity_type, entity_id);

-- Members of one side that the other side does not list. An id decides where both sides have it.
CREATE TEMP MACRO unlisted(ours, theirs) AS TABLE
WITH without_id AS (
  SELECT o.* FROM query_table(ours) AS o
  ANTI JOIN query_table(theirs) AS t ON t.room = o.room AND t.id = o.id
),
without_email AS (
  SELECT o.* FROM without_id AS o
  ANTI JOIN query_table(theirs) AS t
    ON t.room = o.room AND t.email = o.email AND (t.id IS NULL OR o.id IS NULL)
)
SELECT o.* FROM without_email AS o
ANTI JOIN query_table(theirs) AS t
  ON t.room = o.room AND t.name = o.name
  AND (t.id IS NULL OR o.id IS NULL) AND (t.email IS NULL OR o.email IS NULL)
  AND (o.name <> '' OR coalesce(t.id, o.id, t.email, o.email) IS NULL);

-- A member may be listed several times, under several names or addresses: one text.
CREATE TEMP MACRO titled(name, email, id) AS CASE
  WHEN name = '' AND email IS NULL AND id IS NULL THEN 'without id, email address and name'
  WHEN name = '' THEN coalesce(email, id)
  WHEN email IS NULL OR lower(name) = email THEN name
  ELSE name || ' (' || email || ')'
END;
CREATE TEMP TABLE member_drift AS
WITH sides AS (
  SELECT true AS is_new, * FROM unlisted('now_member', 'then_member')
  UNION ALL
  SELECT false, * FROM unlisted('then_member', 'now_member')
)
SELECT is_new, room, id, min(titled(name, email, id)) AS title
FROM sides
GROUP BY is_new, room, id, coalesce(id, email, name);

-- Members of the snapshot that the approved list names, too.
CREATE TEMP VIEW member_of_both AS
SELECT room, id, min(titled(name, email, id)) AS title
FROM (FROM now_member EXCEPT FROM unlisted('now_member', 'then_member'))
GROUP BY room, id, coalesce(id, email, name);

CREATE TEMP TABLE list_now AS
SELECT room, count(DISTINCT coalesce(id, email, name)) AS members FROM now_member GROUP BY ALL;
CREATE TEMP TABLE list_then AS
SELECT room, count(DISTINCT coalesce(id, email, name)) AS members FROM then_member GROUP BY ALL;
-- The names on the lists of rooms that are new since the approval.
CREATE TEMP TABLE new_list AS
SELECT room, list(title ORDER BY title) AS titles
FROM (
  SELECT room, min(titled(name, email, id)) AS title
  FROM now_member ANTI JOIN (FROM then_room WHERE outcome = 'ok') USING (room)
  GROUP BY room, coalesce(id, email, name)
)
GROUP BY ALL;

CREATE TEMP MACRO listed_members(members) AS
  CASE members WHEN 1 THEN 'the member on its list' ELSE 'the ' || members || ' members on its list' END;
CREATE TEMP MACRO who(access_type, members) AS CASE access_type
  WHEN 'ALLOW_MEMBERS' THEN CASE members WHEN 0 THEN 'nobody' ELSE 'only ' || listed_members(members) END
  WHEN 'BLOCK_MEMBERS' THEN CASE members WHEN 0 THEN 'anyone' ELSE 'anyone but ' || listed_members(members) END
  ELSE 'access type ' || coalesce(access_type, 'unknown')
END;
CREATE TEMP MACRO does_what(connection_type) AS CASE connection_type
  WHEN 'TWO_WAY' THEN 'listen and speak'
  WHEN 'ONE_WAY' THEN 'speak'
  ELSE 'use connection ' || coalesce(connection_type, 'unknown')
END;
-- The first members by name: exceptions match the text, so short lists are named whole.
CREATE TEMP MACRO named(titles) AS CASE
  WHEN titles IS NULL THEN ''
  ELSE ' (' || array_to_string(titles[1:20], ', ')
       || CASE WHEN len(titles) > 20 THEN ' and ' || (len(titles) - 20) || ' more' ELSE '' END || ')'
END;

-- Both sides of each room of the snapshot; `lacks` says why the approved snapshot knows nothing of it.
CREATE TEMP TABLE pair AS
SELECT n.*, coalesce(m.members, 0) AS members,
       n.is_on AND NOT (n.access_type = 'ALLOW_MEMBERS' AND coalesce(m.members, 0) = 0) AS opens,
       t.outcome AS then_outcome, coalesce(t.is_on, false) AS was_on, t.connection_type AS then_connection,
       t.access_type AS then_access, coalesce(tm.members, 0) AS then_members,
       coalesce(t.is_on, false) AND NOT (t.access_type = 'ALLOW_MEMBERS' AND coalesce(tm.members, 0) = 0) AS opened,
       CASE
         WHEN t.outcome IS NULL THEN g.reason
         WHEN NOT t.is_known THEN 'the approved snapshot has no answer for it (' || t.outcome || ')'
       END AS lacks
FROM now_room AS n
LEFT JOIN list_now AS m USING (room)
LEFT JOIN then_room AS t USING (room)
LEFT JOIN list_then AS tm USING (room)
LEFT JOIN approval_gaps AS g USING (org_id, entity_type);

-- How Push-to-Talk differs from the approved snapshot in rooms that both snapshots know: `is_open` if it opens more than
-- approved.
CREATE TEMP TABLE talk_drift AS
WITH known AS (FROM pair WHERE is_known AND lacks IS NULL),
told AS (
  SELECT known.*, true AS is_open, 1 AS place,
         CASE WHEN then_outcome IS NULL THEN 'is new since the approval' ELSE 'had no settings when it was approved' END
         || ' and answers by itself: ' || who(access_type, members) || named(titles) || ' may ' || does_what(connection_type)
         AS detail, NULL::VARCHAR AS key
  FROM known LEFT JOIN new_list USING (room)
  WHERE opens AND then_outcome IS DISTINCT FROM 'ok'
  UNION ALL
  SELECT *, true, 1, 'auto-answer is on, and was approved as off: ' || who(access_type, members) || ' may '
         || does_what(connection_type), NULL
  FROM known
  WHERE opens AND NOT was_on AND then_outcome = 'ok'
  UNION ALL
  SELECT *, connection_type IS DISTINCT FROM 'ONE_WAY', 2, 'callers may ' || does_what(connection_type)
         || '; approved: ' || does_what(then_connection), NULL
  FROM known
  WHERE is_on AND (opens OR opened) AND then_outcome = 'ok' AND connection_type IS DISTINCT FROM then_connection
    AND (opens OR connection_type = 'ONE_WAY')
  UNION ALL
  -- Only from a list of blocked members to a list of allowed members is surely less, or to nobody.
  SELECT *, opens AND (access_type IS DISTINCT FROM 'ALLOW_MEMBERS' OR then_access IS DISTINCT FROM 'BLOCK_MEMBERS'),
         3, who(access_type, members) || ' may call; approved: '
         || who(then_access, then_members), NULL
  FROM known
  WHERE is_on AND (opens OR opened) AND then_outcome = 'ok' AND access_type IS DISTINCT FROM then_access
  UNION ALL
  SELECT *, false, 1, CASE WHEN outcome = 'ok' THEN 'auto-answer is off' ELSE 'has no settings any more (' || outcome || ')' END
         || '; approved: ' || who(then_access, then_members) || ' may ' || does_what(then_connection), NULL
  FROM known
  WHERE NOT is_on AND opened
  UNION ALL
  -- Lists of the same kind: whoever is new on a list of allowed members, or gone from a list of blocked members, may
  -- call now. What a list of another kind means is not documented, so any change may open the room.
  SELECT k.*, CASE access_type
           WHEN 'ALLOW_MEMBERS' THEN is_new WHEN 'BLOCK_MEMBERS' THEN NOT is_new ELSE true END, 4,
         'member ' || title || CASE access_type
           WHEN 'ALLOW_MEMBERS' THEN CASE WHEN is_new THEN ' may call' ELSE ' may not call any more' END
           WHEN 'BLOCK_MEMBERS' THEN CASE WHEN is_new THEN ' is blocked' ELSE ' is not blocked any more' END
           ELSE CASE WHEN is_new THEN ' is on the list' ELSE ' is not on the list any more' END
         END || CASE WHEN is_new THEN '; the approved list does not name this member'
                     ELSE '; the approved list names this member' END,
         CASE WHEN is_new THEN 'new ' ELSE 'gone ' END || access_type || ' ' || id
  FROM known AS k JOIN member_drift AS d USING (room)
  WHERE is_on AND (opens OR opened) AND then_outcome = 'ok' AND access_type IS NOT DISTINCT FROM then_access
  UNION ALL
  SELECT k.*, true, 4, 'member ' || title || ' may call; the approved list blocks this member', 'blocked ' || id
  FROM known AS k JOIN member_of_both AS b USING (room)
  WHERE opens AND was_on AND access_type = 'ALLOW_MEMBERS' AND then_access = 'BLOCK_MEMBERS'
)
SELECT org_id, 'push_to_talk' AS way, entity_type, entity_id, entity_name, location_name, is_open, place, detail, key FROM told;
