-- title: Global call-in is on, but the policy forbids it
-- severity: low
-- rationale: Numbers in many countries lead into the user's meetings, and check.forbid_global_call_in forbids that.
-- remedy: Turn global call-in off in the user's audio preferences, or for everyone on the meeting site.
-- tables: audio_options
-- settings: check.forbid_global_call_in
-- controls: NIST-800-53 CM-7; NIST-800-171 3.4.7; ISO-27001 A.8.9
SELECT
    org_id, entity_type, entity_id, entity_name, NULL AS location_name,
    'global call-in is on' || coalesce(', on ' || site_url, '') AS detail
FROM audio_options
WHERE enabled_global_call_in
