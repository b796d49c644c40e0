-- The events of the administrators' log that may be of a change: by the entity's id, else by its name. It needs the
-- tables of diff.sql, `run_reads` (from the manifests), and member_pairs if there are members.

-- A UUID, in lower case, at the end of an id in any form: an id of the API, the base64 of a bare UUID, or a UUID.
CREATE TEMP MACRO uuid_at_end(t) AS nullif(lower(regexp_extract(
  t, '(?:^|/)([0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})$', 1)), '');
CREATE TEMP MACRO decoded(t) AS TRY(decode(TRY(from_base64(t || repeat('=', (4 - length(t) % 4) % 4)))));
CREATE TEMP MACRO uuid_in(id) AS CASE
  WHEN length(id) <= 1000 THEN coalesce(uuid_at_end(id), uuid_at_end(decoded(translate(rtrim(id, '='), '-_', '+/'))))
END;
CREATE TEMP MACRO field_of(extra, name) AS TRY(json_extract_string(extra, name));

-- Not a temporary table: another cursor reads the texts of those that are shown. A login changes no setting.
CREATE SCHEMA admin_log;
CREATE TABLE admin_log.events AS
SELECT row_number() OVER () AS number, org_id, event_id, created, category, target_name, left(description, 500) AS description,
       action_text, coalesce(actor_name, actor_email, actor_id) AS actor, actor_client AS client, error_code, extra,
       coalesce(target_uuid, uuid_in(target_id)) AS target_uuid
FROM main.admin_events
WHERE created IS NOT NULL AND coalesce(category, '') NOT IN ('LOGINS', 'LOGOUT');

CREATE TEMP TABLE event_keys AS
SELECT DISTINCT number, org_id, created, category, unnest([
  target_uuid, uuid_in(field_of(extra, '$.entityId')), uuid_in(field_of(extra, '$.ownerId')),
  uuid_in(field_of(extra, '$.deviceId'))]) AS uuid
FROM admin_log.events;
DELETE FROM event_keys WHERE uuid IS NULL;

-- When each side read an entity in a dataset. Who was not asked for was listed, or was not, before the first answer.
CREATE TEMP TABLE org_reads AS
SELECT org_id, least(any_value(old_start), min(fetched_at) FILTER (NOT is_new)) AS old_read,
       coalesce(min(fetched_at) FILTER (is_new), any_value(new_end)) AS new_read
FROM reads_of_both, run_reads
GROUP BY org_id;
CREATE TEMP TABLE entity_reads AS
SELECT org_id, dataset, entity_id, coalesce(min(fetched_at) FILTER (NOT is_new), any_value(o.old_read)) AS old_read,
       coalesce(max(fetched_at) FILTER (is_new), any_value(o.new_read)) AS new_read,
       list_distinct(list(entity_name)) AS names
FROM reads_of_both JOIN org_reads AS o USING (org_id)
GROUP BY ALL;
-- The dataset of changes of the entity as a whole is empty.
CREATE TEMP TABLE event_windows AS
FROM entity_reads
UNION ALL
SELECT org_id, '', entity_id, min(old_read), max(new_read), list_distinct(flatten(list(names)))
FROM entity_reads
GROUP BY ALL;

-- A UUID or a name that several entities have tells nothing about one of them.
CREATE TEMP TABLE entity_uuids AS
SELECT org_id, uuid, any_value(entity_id) AS entity_id
FROM (SELECT DISTINCT org_id, entity_id, uuid_in(entity_id) AS uuid FROM entity_reads)
WHERE uuid IS NOT NULL
GROUP BY ALL
HAVING count(*) = 1;
CREATE TEMP TABLE entity_titles AS
SELECT org_id, name, any_value(entity_id) AS entity_id
FROM (SELECT DISTINCT org_id, entity_id, unnest(names) AS name FROM entity_reads)
SEMI JOIN (SELECT org_id, target_name AS name FROM admin_log.events) USING (org_id, name)
GROUP BY ALL
HAVING count(*) = 1;

CREATE TEMP TABLE event_matches AS
SELECT org_id, dataset, entity_id, 'id' AS way, count(*) AS event_count, arg_max(number, (k.created, number)) AS number
FROM event_windows AS w
JOIN entity_uuids AS u USING (org_id, entity_id)
JOIN event_keys AS k USING (org_id, uuid)
WHERE k.created > w.old_read AND k.created <= w.new_read
GROUP BY ALL;
INSERT INTO event_matches
SELECT org_id, dataset, entity_id, 'name' AS way, count(*) AS event_count, arg_max(number, (e.created, number)) AS number
FROM event_windows AS w
JOIN entity_titles AS t USING (org_id, entity_id)
JOIN admin_log.events AS e ON e.org_id = w.org_id AND e.target_name = t.name
ANTI JOIN event_matches AS m ON m.org_id = w.org_id AND m.dataset = w.dataset AND m.entity_id = w.entity_id
WHERE e.created > w.old_read AND e.created <= w.new_read
  -- An event that is surely about another entity of this name is not about this one.
  AND NOT EXISTS (FROM entity_uuids AS o WHERE o.org_id = e.org_id AND o.uuid = e.target_uuid)
GROUP BY ALL;

-- Events about a person who is a member: who left, or has another number. The newest suffice.
CREATE TEMP TABLE person_events AS
SELECT org_id, uuid, number, created
FROM event_keys
WHERE category = 'USERS'
QUALIFY row_number() OVER (PARTITION BY org_id, uuid ORDER BY created DESC) <= 100;
CREATE TEMP TABLE member_matches AS
SELECT org_id, m.entity_id, m.member_id, count(*) AS event_count, arg_max(number, (p.created, number)) AS number
FROM (SELECT *, uuid_in(member_id) AS uuid FROM old_members) AS m
JOIN event_windows AS w USING (org_id, entity_id)
JOIN person_events AS p USING (org_id, uuid)
WHERE w.dataset = 'push_to_talk' AND p.created > w.old_read AND p.created <= w.new_read
GROUP BY ALL;
