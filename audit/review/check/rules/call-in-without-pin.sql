-- title: A phone number alone identifies a user who calls into meetings
-- severity: medium
-- rationale: With call-in authentication, a call from this number joins meetings as the user. Calling numbers can be
--   forged, and without an audio PIN nothing else is asked for.
-- remedy: Have the user set an audio PIN on the meeting site, or turn off call-in authentication for the number.
-- tables: audio_options
-- controls: NIST-800-53 IA-2, IA-5(1); NIST-800-171 3.5.2; ISO-27001 A.5.17; SOC2 CC6.1; HIPAA 164.312(d)
WITH numbers AS (
    SELECT *, 'office' AS kind, office_number AS number, office_call_in_authentication AS authentication
    FROM audio_options
    UNION ALL
    SELECT *, 'mobile', mobile_number, mobile_call_in_authentication
    FROM audio_options
)
SELECT
    org_id, entity_type, entity_id, entity_name, NULL AS location_name,
    concat_ws(' ', 'the', kind, 'number identifies the user without a PIN', 'on ' || site_url) AS detail
FROM numbers
WHERE number <> '' AND authentication AND audio_pin_status = 'unset'
