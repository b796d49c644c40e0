-- title: A setting has a value that no document lists
-- severity: medium
-- rationale: The other rules judge by the documented values. What another one lets callers do is not known, so that a
--   room with it passes them unjudged.
-- remedy: Look the room up in Control Hub, and update webex-audit where a newer version knows the value.
-- tables: push_to_talk
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'connection type ' || connection_type || ', access type ' || access_type AS detail
FROM push_to_talk
WHERE connection_type NOT IN ('ONE_WAY', 'TWO_WAY') OR access_type NOT IN ('ALLOW_MEMBERS', 'BLOCK_MEMBERS')
