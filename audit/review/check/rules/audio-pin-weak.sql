-- title: A user has a weak audio PIN
-- severity: high
-- rationale: An attacker guesses a PIN such as 1234 or 1111 first, and can then join meetings as this user.
-- remedy: Have the user set another audio PIN on the meeting site: 4 digits, neither sequential nor all the same.
-- tables: audio_options
-- controls: NIST-800-53 IA-5(1); NIST-800-171 3.5.7; ISO-27001 A.5.17; SOC2 CC6.1; HIPAA 164.312(d)
SELECT
    org_id, entity_type, entity_id, entity_name, NULL AS location_name,
    concat_ws(' ', 'the audio PIN is', audio_pin_status, 'on ' || site_url) AS detail
FROM audio_options
WHERE audio_pin_status NOT IN ('ok', 'unset')
