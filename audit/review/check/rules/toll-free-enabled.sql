-- title: Toll-free call-in is on, but the policy forbids it
-- severity: low
-- rationale: The organization pays for every minute of a toll-free call, and check.forbid_toll_free says that it does
--   not want to.
-- remedy: Turn toll-free call-in off in the user's audio preferences, or for everyone on the meeting site.
-- tables: audio_options
-- settings: check.forbid_toll_free
-- controls: NIST-800-53 CM-7; NIST-800-171 3.4.7; ISO-27001 A.8.9
SELECT
    org_id, entity_type, entity_id, entity_name, NULL AS location_name,
    'toll-free call-in is on' || coalesce(', on ' || site_url, '') AS detail
FROM audio_options
WHERE enabled_toll_free
