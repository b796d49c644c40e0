-- Who may open which microphone or loudspeaker, in words. `way` and `device` are of audit/review/open_ways.sql; what other
-- snapshots say of each row is joined for `since` and `approved`.
-- The telling columns come first: a terminal cuts the others.
CREATE VIEW {schema}.open_rooms AS
WITH
member AS (
    SELECT org_id, entity_type, entity_id,
           coalesce(min(nullif(trim(member_display_name), '')),
                    min(nullif(trim(concat_ws(' ', member_first_name, member_last_name)), '')),
                    min(member_email), min(member_id), '(unnamed)') AS name
    FROM {ways}.push_to_talk_members
    GROUP BY org_id, entity_type, entity_id, coalesce(member_id, member_email, member_display_name, '')
),
named AS (
    SELECT org_id, entity_type, entity_id, 'push_to_talk' AS way, list(name ORDER BY name) AS names
    FROM member GROUP BY ALL
),
told AS (
    SELECT way.*, coalesce(list_sort(list_transform(openers, lambda each: each.name)), names, []) AS all_names,
           array_to_string(all_names[1:{most}], ', ')
           || if(len(all_names) > {most}, ' and ' || (len(all_names) - {most}) || ' more', '') AS some_names
    FROM {ways}.way LEFT JOIN named USING (org_id, entity_type, entity_id, way)
)
SELECT told.entity_name,
       CASE told.entity_type WHEN 'WORKSPACE' THEN 'room' WHEN 'PERSON' THEN 'phone' WHEN 'VIRTUAL_LINE' THEN 'line'
                             ELSE lower(replace(told.entity_type, '_', ' ')) END AS kind,
       told.way,
       CASE WHEN told.way = 'answer_settings' THEN 'whoever can dial it'
            WHEN told.opened_by = 'list' THEN told.some_names
            WHEN told.opened_by = 'everyone' THEN 'everyone'
            WHEN told.opened_by = 'everyone but a list' THEN 'everyone but ' || told.some_names
            ELSE 'not known: ' || coalesce(told.access_type, 'no access type')
                 || if(told.some_names = '', '', '; listed: ' || told.some_names) END AS openers,
       told.direction,
       coalesce(device, 'not known') AS device,
       {since} AS since, {approved} AS approved,
       told.location_name, org_name, told.opened_by, told.opener_count, told.paging_groups, device_last_seen,
       told.entity_type, told.entity_id, told.location_id, told.org_id
FROM told
LEFT JOIN {ways}.organization USING (org_id)
LEFT JOIN {ways}.device ON device.org_id = told.org_id AND device.entity_id = told.entity_id
    AND told.entity_type = 'WORKSPACE'
{others}
ORDER BY list_position(['hears and speaks', 'speaks, may hear', 'speaks'], told.direction), told.opener_count IS NOT NULL,
         told.opener_count DESC, told.entity_name, told.org_id, told.entity_type, told.entity_key, told.way;
