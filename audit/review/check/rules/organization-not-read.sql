-- title: An organization, or a kind of entity of it, could not be listed in full
-- severity: high
-- rationale: What was not listed was not reviewed: no other rule covers it.
-- remedy: Give the token the scope or the role that the message names, then run again with --retry-failed and this
--   snapshot. If it has both, a full administrator may have restricted access to the Call Settings API in Control Hub.
--   If items without a usable id stay, ask Webex support about the listing.
-- tables: manifest.organizations, manifest.unlisted, manifest.invalid_items
-- controls: NIST-800-53 CA-7; NIST-800-171 3.12.3; ISO-27001 A.5.36; SOC2 CC4.1; HIPAA 164.308(a)(8)
SELECT
    org_id, NULL AS entity_type, NULL AS entity_id, NULL AS entity_name, NULL AS location_name,
    concat_ws(' ', 'organization', name, 'is ' || status || ':', coalesce(message, 'nothing could be read')) AS detail,
    status AS key
FROM manifest.organizations
WHERE status IN ('refused', 'unanswered') OR message IS NOT NULL
UNION ALL
SELECT
    org_id, entity_type, NULL, NULL, NULL,
    concat_ws(' ', dataset, 'of', entity_type, 'was not read:', reason),
    concat_ws(' ', 'unlisted', dataset, entity_type)
FROM manifest.unlisted
UNION ALL
SELECT
    org_id, entity_type, NULL, NULL, NULL,
    concat_ws(' ', dataset || ' of', entity_type, 'was not read in full: listed items without a usable id:', items),
    concat_ws(' ', 'invalid', dataset, entity_type, items)
FROM manifest.invalid_items
