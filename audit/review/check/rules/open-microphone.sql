-- title: A microphone opens by itself in two ways, so the list of Push-to-Talk protects nothing
-- severity: critical
-- rationale: Push-to-Talk says who may open this device, and whether they may listen. As the device also answers ordinary
--   calls by itself, whoever can dial its number gets in without the list, and hears the room over an ordinary call.
-- remedy: Turn auto answer of ordinary calls off, so that the list of Push-to-Talk decides again, or turn both off.
-- tables: answer_settings, push_to_talk
SELECT
    org_id, entity_type, entity_id, push_to_talk.entity_name AS entity_name,
    push_to_talk.location_name AS location_name,
    'answers ordinary calls by itself, and by Push-to-Talk lets ' || CASE access_type
        WHEN 'ALLOW_MEMBERS' THEN member_count || ' on its list'
        WHEN 'BLOCK_MEMBERS' THEN 'all but ' || member_count || ' on its list'
        ELSE 'access type ' || access_type
    END || CASE connection_type
        WHEN 'TWO_WAY' THEN ' listen and speak'
        WHEN 'ONE_WAY' THEN ' speak'
        ELSE ' in by connection ' || connection_type
    END AS detail
FROM answer_settings JOIN push_to_talk USING (org_id, entity_type, entity_id)
WHERE auto_answer_enabled AND allow_auto_answer
