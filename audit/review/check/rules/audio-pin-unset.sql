-- title: A user has no audio PIN
-- severity: medium
-- rationale: Without a PIN, the calling number alone identifies the user as soon as call-in authentication is on for
--   it, and a number can be forged.
-- remedy: Have the user set an audio PIN on the meeting site.
-- tables: audio_options
-- controls: NIST-800-53 IA-2, IA-5(1); NIST-800-171 3.5.2; ISO-27001 A.5.17; SOC2 CC6.1; HIPAA 164.312(d)
SELECT
    org_id, entity_type, entity_id, entity_name, NULL AS location_name,
    concat_ws(' ', 'no audio PIN', 'on ' || site_url) AS detail
FROM audio_options
WHERE audio_pin_status = 'unset'
