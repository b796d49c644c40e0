-- Which microphones and loudspeakers open by themselves in a snapshot, a row for each entity and way. The views of this schema show
-- the tables of the snapshot, without rows where it has none.

-- A table, as several views read it, and some would compute it several times at once. Only what surely opens for nobody is
-- left out: off, an empty list of those who may, a group that nobody may call.
CREATE TABLE {ways}.way AS
WITH
listed AS (
    SELECT org_id, entity_type, entity_id,
           count(DISTINCT coalesce(member_id, member_email, member_display_name, '')) AS members
    FROM {ways}.push_to_talk_members GROUP BY ALL
),
push_to_talk AS (
    SELECT org_id, entity_type, entity_id, entity_id AS entity_key, entity_name, location_id, location_name,
           'push_to_talk' AS way,
           CASE connection_type WHEN 'TWO_WAY' THEN 'hears and speaks' WHEN 'ONE_WAY' THEN 'speaks'
                                ELSE 'speaks, may hear' END AS direction,
           CASE access_type WHEN 'ALLOW_MEMBERS' THEN 'list'
                            WHEN 'BLOCK_MEMBERS' THEN if(members IS NULL, 'everyone', 'everyone but a list')
                            ELSE 'not known' END AS opened_by,
           if(access_type = 'ALLOW_MEMBERS', members, NULL)::INTEGER AS opener_count,
           access_type, NULL::VARCHAR AS paging_groups, NULL::STRUCT(key VARCHAR, name VARCHAR)[] AS openers
    FROM {ways}.push_to_talk LEFT JOIN listed USING (org_id, entity_type, entity_id)
    WHERE allow_auto_answer IS DISTINCT FROM false
      AND NOT (access_type IS NOT DISTINCT FROM 'ALLOW_MEMBERS' AND members IS NULL)
),
answer_settings AS (
    SELECT org_id, entity_type, entity_id, entity_id AS entity_key, entity_name, location_id, location_name,
           'answer_settings' AS way, 'hears and speaks' AS direction, 'everyone' AS opened_by
    FROM {ways}.answer_settings WHERE auto_answer_enabled IS DISTINCT FROM false
),
-- Members of paging groups that can be called. An id names a member; without it, a number or the name does.
party AS (
    SELECT org_id, entity_id AS group_id, coalesce(groups.entity_name, entity_id) AS group_name, role,
           nullif(trim(member_id), '') AS member_id, member_type,
           nullif(trim(concat_ws(' ', nullif(trim(member_first_name), '.'), nullif(trim(member_last_name), '.'))), '') AS name,
           coalesce(nullif(trim(member_id), ''), concat_ws(' ', 'without id', number_esn, number_extension,
                    number_external, member_first_name, member_last_name)) AS member_key
    FROM {ways}.paging_group_members JOIN {ways}.paging_groups AS groups USING (org_id, entity_id)
    WHERE enabled IS DISTINCT FROM false
),
originator AS (
    SELECT DISTINCT org_id, group_id, member_key,
           coalesce(min(name) OVER (PARTITION BY org_id, member_key), member_key) AS name
    FROM party WHERE role = 'ORIGINATOR'
),
target AS (
    SELECT org_id, member_key AS entity_key, min(member_id) AS entity_id, min(name) AS name,
           CASE min(member_type) WHEN 'PLACE' THEN 'WORKSPACE' WHEN 'PEOPLE' THEN 'PERSON'
                                 ELSE coalesce(min(member_type), 'NOT KNOWN') END AS entity_type,
           group_id, group_name
    FROM party WHERE role = 'TARGET' GROUP BY org_id, member_key, group_id, group_name
),
inventory AS (
    SELECT org_id, entity_id AS entity_key, min(entity_type) AS listed_type, min(entity_name) AS listed_name,
           min(location_id) AS location_id, min(location_name) AS location_name
    FROM {ways}.coverage SEMI JOIN (SELECT org_id, entity_id FROM target) USING (org_id, entity_id) GROUP BY ALL
),
-- DISTINCT before the lists: a list of distinct values needs many times the memory, and can't be spilled.
reaching AS (
    SELECT org_id, entity_key, list({{'key': member_key, 'name': name}}) AS openers
    FROM (SELECT DISTINCT org_id, entity_key, member_key, originator.name FROM target JOIN originator USING (org_id, group_id))
    GROUP BY org_id, entity_key
),
reached AS (
    SELECT org_id, entity_key, min(target.entity_type) AS named_type, min(entity_id) AS entity_id, min(name) AS name,
           string_agg(DISTINCT group_name, ', ' ORDER BY group_name) AS paging_groups
    FROM target SEMI JOIN originator USING (org_id, group_id) GROUP BY org_id, entity_key
),
paging AS (
    SELECT org_id, coalesce(listed_type, named_type) AS entity_type, entity_id, entity_key,
           coalesce(listed_name, name) AS entity_name, location_id, location_name, 'paging' AS way,
           'speaks' AS direction, 'list' AS opened_by, len(openers)::INTEGER AS opener_count, paging_groups, openers
    FROM reached JOIN reaching USING (org_id, entity_key) LEFT JOIN inventory USING (org_id, entity_key)
)
FROM push_to_talk UNION ALL BY NAME FROM answer_settings UNION ALL BY NAME FROM paging;

-- A row without a device says that there is none; a workspace without a row is not known. A device in an undocumented state
-- may answer.
CREATE VIEW {ways}.device AS
SELECT org_id, workspace_id AS entity_id,
       CASE WHEN count(device_id) = 0 THEN 'none'
            WHEN bool_or(lower(connection_status) IN ('connected', 'connected_with_issues')) THEN 'connected'
            WHEN bool_and(coalesce(lower(connection_status), '') IN ('disconnected', 'offline_expired', 'offline_deep_sleep'))
            THEN 'offline' ELSE 'not known' END AS device,
       max(last_seen) AS device_last_seen
FROM {ways}.workspace_devices GROUP BY ALL;

-- Whether a dataset has a complete answer of an entity, or of all paging groups of an organization.
CREATE VIEW {ways}.answer AS
SELECT org_id, dataset AS way, entity_type, entity_id AS entity_key,
       bool_and(list_contains(getvariable('complete_outcomes'), outcome)) AS is_known, min(fetched_at) AS at
FROM {ways}.coverage WHERE dataset IN ('push_to_talk', 'answer_settings') GROUP BY ALL
UNION ALL
SELECT org_id, 'paging', '', '', bool_and(list_contains(getvariable('complete_outcomes'), outcome)), min(fetched_at)
FROM {ways}.coverage WHERE dataset = 'paging_groups' GROUP BY org_id;
