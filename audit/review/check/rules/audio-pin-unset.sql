-- title: A user has no audio PIN
-- severity: medium
-- rationale: Without a PIN, the calling number alone identifies a user who calls into a meeting, and a number can be
--   forged.
-- remedy: Have the user set an audio PIN on the meeting site.
-- tables: audio_options
SELECT
    org_id, entity_type, entity_id, entity_name, NULL AS location_name,
    concat_ws(' ', 'no audio PIN', 'on ' || site_url) AS detail
FROM audio_options
WHERE audio_pin_status = 'unset'
