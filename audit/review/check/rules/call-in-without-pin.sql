-- title: A phone number can call into meetings without PIN authentication
-- severity: medium
-- rationale: Calling numbers can be forged. Without authentication, a call from this number is not tied to the user's
--   account and PIN: nothing shows who joined with it.
-- remedy: Turn on call-in authentication for the number, in the user's audio preferences on the meeting site, and set
--   an audio PIN: without a PIN, the number alone identifies the user.
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
    concat_ws(' ', 'the', kind, 'number calls in without authentication', 'on ' || site_url) AS detail
FROM numbers
WHERE number <> '' AND NOT authentication
