-- title: A block list blocks nobody, so that anyone may call in
-- severity: critical
-- rationale: The device answers by itself, and its list says who may not call. The list is empty: the whole
--   organization may open the speaker, and with a two-way connection the microphone, of this room.
-- remedy: Change the list to one of members who may call, and name them; or turn auto answer off.
-- tables: push_to_talk
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'answers by itself to anyone, '
    || CASE connection_type
        WHEN 'TWO_WAY' THEN 'who can listen and speak'
        WHEN 'ONE_WAY' THEN 'who can speak'
        ELSE 'by connection ' || connection_type
    END AS detail
FROM push_to_talk
WHERE allow_auto_answer AND access_type = 'BLOCK_MEMBERS' AND member_count = 0
