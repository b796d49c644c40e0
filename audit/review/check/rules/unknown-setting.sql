-- title: A setting has a value that is not documented
-- severity: medium
-- rationale: The other rules judge by the documented values. What another value lets callers do is unknown, so a
--   workspace, person or virtual line with such a value passes them unjudged.
-- remedy: Look the setting up in Control Hub, and update webex-audit if a newer version knows the value.
-- tables: push_to_talk
-- controls: NIST-800-53 SC-15, CM-6; NIST-800-171 3.13.12, 3.4.2; ISO-27001 A.8.9
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'connection type ' || connection_type || ', access type ' || access_type AS detail
FROM push_to_talk
WHERE connection_type NOT IN ('ONE_WAY', 'TWO_WAY') OR access_type NOT IN ('ALLOW_MEMBERS', 'BLOCK_MEMBERS')
