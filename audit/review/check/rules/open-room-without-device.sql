-- title: A room is open by Push-to-Talk, and certainly has no device
-- severity: low
-- rationale: Nobody can call in today, because no device answers. Whatever is put into the room tomorrow opens by itself
--   from its first minute, and nobody decides that then.
-- remedy: Turn Push-to-Talk of the room off until it has a device, or remove the room. If a device is on its way, accept
--   the setting with an exception that ends on that day.
-- tables: push_to_talk, workspace_devices
-- controls: NIST-800-53 SC-15, AC-3, CM-8; NIST-800-171 3.13.12; ISO-27001 A.5.9, A.8.9; SOC2 CC6.1; HIPAA 164.310(c)
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'no device, and Push-to-Talk answers by itself; ' || CASE
        WHEN access_type = 'ALLOW_MEMBERS' AND member_count = 1 THEN 'only the member on its list may call'
        WHEN access_type = 'ALLOW_MEMBERS' THEN 'only the ' || member_count || ' members on its list may call'
        WHEN access_type = 'BLOCK_MEMBERS' AND member_count = 0 THEN 'anyone may call'
        WHEN access_type = 'BLOCK_MEMBERS' AND member_count = 1 THEN 'anyone but the member on its list may call'
        WHEN access_type = 'BLOCK_MEMBERS' THEN 'anyone but the ' || member_count || ' members on its list may call'
        ELSE 'access type ' || access_type
    END AS detail
FROM push_to_talk
JOIN workspace_devices USING (org_id)
WHERE
    entity_type = 'WORKSPACE' AND workspace_id = entity_id AND device_id IS NULL
    AND allow_auto_answer AND NOT (access_type = 'ALLOW_MEMBERS' AND member_count = 0)
