-- title: The settings of a workspace, person or virtual line could not be read
-- severity: high
-- rationale: What was not read was not reviewed: no other rule covers it.
-- remedy: Read the outcome and its message in the coverage, then run again with --retry-failed and this snapshot. If it
--   is forbidden, the token lacks a scope, a role or a license, or a full administrator has restricted access to the
--   Call Settings API in Control Hub.
-- tables: coverage
-- controls: NIST-800-53 CA-7; NIST-800-171 3.12.3; ISO-27001 A.5.36; SOC2 CC4.1; HIPAA 164.308(a)(8)
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    concat_ws(
        ' ', dataset, 'on ' || site_url, 'could not be read: ' || outcome, '(' || left(error_message, 200) || ')'
    ) AS detail,
    concat_ws(' ', dataset, site_url, outcome) AS key
FROM coverage
WHERE NOT list_contains(getvariable('complete_outcomes'), outcome)
