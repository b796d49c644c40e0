-- title: Push-to-Talk is on, but its allow list (Allowed lines) is empty
-- severity: low
-- rationale: Nobody can call, so the feature is useless here. Whoever adds a member later, or turns the list into a
--   block list, opens a device that nobody watches.
-- remedy: Turn auto answer off, or add the people who may call to Allowed lines.
-- tables: push_to_talk
-- controls: NIST-800-53 CM-7; NIST-800-171 3.4.7; ISO-27001 A.8.9
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'answers by itself, and nobody may call' AS detail
FROM push_to_talk
WHERE allow_auto_answer AND access_type = 'ALLOW_MEMBERS' AND member_count = 0
