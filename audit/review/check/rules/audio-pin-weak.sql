-- title: A user has a weak audio PIN
-- severity: high
-- rationale: An attacker guesses a PIN such as 1234 or 1111 first, and can then join meetings as this user.
-- remedy: Have the user set another audio PIN on the meeting site: 4 digits, neither sequential nor all the same.
-- tables: audio_options
SELECT
    org_id, entity_type, entity_id, entity_name, NULL AS location_name,
    concat_ws(' ', 'the audio PIN is', audio_pin_status, 'on ' || site_url) AS detail
FROM audio_options
WHERE audio_pin_status NOT IN ('ok', 'unset')
