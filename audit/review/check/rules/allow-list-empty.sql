-- title: Push-to-Talk is on and its allow list names nobody
-- severity: low
-- rationale: Nobody may call, so that the feature is of no use here; and the next one who adds a member, or turns the
--   list into a block list, opens a room that nobody watches.
-- remedy: Turn auto answer off, or name who may call.
-- tables: push_to_talk
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'answers by itself, and nobody may call' AS detail
FROM push_to_talk
WHERE allow_auto_answer AND access_type = 'ALLOW_MEMBERS' AND member_count = 0
