-- title: A block list (Blocked lines) is empty, so anyone can call
-- severity: critical
-- rationale: The device auto-answers, and its list says who may not call. As the list is empty, everyone in the
--   organization can open the loudspeaker of this device and, with a two-way connection, its microphone.
-- remedy: Switch the list to Allowed lines and add the people who may call, or turn auto answer off.
-- tables: push_to_talk
-- controls: NIST-800-53 SC-15, AC-3, AC-6; NIST-800-171 3.13.12; ISO-27001 A.5.15, A.8.9; SOC2 CC6.1, CC6.6;
--   HIPAA 164.310(c), 164.530(c)
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
