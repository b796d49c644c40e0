-- title: A room auto-answers and lets callers listen
-- severity: high
-- rationale: Whoever may call opens the microphone of the room without asking: on a two-way connection the caller hears
--   everything that is said there, and nobody has to pick up.
-- remedy: In Control Hub, under Push-to-Talk of the room, set the connection to one-way or turn auto answer off. If the
--   setting is wanted, accept it with an exception that names who answers for it.
-- tables: push_to_talk
-- controls: NIST-800-53 SC-15, AC-3, AC-6; NIST-800-171 3.13.12; ISO-27001 A.5.15, A.8.9; SOC2 CC6.1, CC6.6;
--   HIPAA 164.310(c), 164.530(c)
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'answers by itself and lets callers listen and speak; ' || CASE
        WHEN access_type = 'ALLOW_MEMBERS' AND member_count = 1 THEN 'only the member on its list may call'
        WHEN access_type = 'ALLOW_MEMBERS' THEN 'only the ' || member_count || ' members on its list may call'
        WHEN access_type = 'BLOCK_MEMBERS' AND member_count = 0 THEN 'anyone may call'
        WHEN access_type = 'BLOCK_MEMBERS' AND member_count = 1 THEN 'anyone but the member on its list may call'
        WHEN access_type = 'BLOCK_MEMBERS' THEN 'anyone but the ' || member_count || ' members on its list may call'
        ELSE 'access type ' || access_type
    END AS detail
FROM push_to_talk
WHERE allow_auto_answer AND connection_type = 'TWO_WAY' AND NOT (access_type = 'ALLOW_MEMBERS' AND member_count = 0)
