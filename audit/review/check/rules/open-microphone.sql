-- title: A microphone opens by itself in two ways, so the list of Push-to-Talk protects nothing
-- severity: critical
-- rationale: Push-to-Talk says who may open this device, and whether they may listen. As the device also answers ordinary
--   calls by itself, whoever can dial its number gets in without the list, and hears the room over an ordinary call.
-- remedy: Turn auto answer of ordinary calls off, so that the list of Push-to-Talk decides again, or turn both off.
-- tables: answer_settings, push_to_talk
-- controls: NIST-800-53 SC-15, AC-3, AC-6; NIST-800-171 3.13.12; ISO-27001 A.5.15, A.8.9; SOC2 CC6.1, CC6.6;
--   HIPAA 164.310(c), 164.530(c)
SELECT
    org_id, entity_type, entity_id, push_to_talk.entity_name AS entity_name,
    push_to_talk.location_name AS location_name,
    'answers ordinary calls by itself, and by Push-to-Talk lets ' || CASE
        WHEN access_type = 'ALLOW_MEMBERS' AND member_count = 0 THEN 'nobody'
        WHEN access_type = 'ALLOW_MEMBERS' AND member_count = 1 THEN 'the member on its list'
        WHEN access_type = 'ALLOW_MEMBERS' THEN 'the ' || member_count || ' members on its list'
        WHEN access_type = 'BLOCK_MEMBERS' AND member_count = 0 THEN 'anyone'
        WHEN access_type = 'BLOCK_MEMBERS' AND member_count = 1 THEN 'anyone but the member on its list'
        WHEN access_type = 'BLOCK_MEMBERS' THEN 'anyone but the ' || member_count || ' members on its list'
        ELSE 'access type ' || access_type
    END || CASE connection_type
        WHEN 'TWO_WAY' THEN ' listen and speak'
        WHEN 'ONE_WAY' THEN ' speak'
        ELSE ' in by connection ' || connection_type
    END AS detail
FROM answer_settings JOIN push_to_talk USING (org_id, entity_type, entity_id)
WHERE auto_answer_enabled AND allow_auto_answer
