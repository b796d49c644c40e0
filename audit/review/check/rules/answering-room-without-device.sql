-- title: A room answers ordinary calls by itself, and certainly has no device
-- severity: low
-- rationale: Nobody can hear the room today, because no device answers. Whatever is put into it tomorrow answers by itself
--   whoever can dial its number, from its first minute, and nobody decides that then.
-- remedy: Turn auto answer of ordinary calls of the room off until it has a device, or remove the room. If a device is on
--   its way, accept the setting with an exception that ends on that day.
-- tables: answer_settings, workspace_devices
-- controls: NIST-800-53 SC-15, AC-3, CM-8; NIST-800-171 3.13.12; ISO-27001 A.5.9, A.8.9; SOC2 CC6.1; HIPAA 164.310(c)
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'no device, and ordinary calls are answered without anyone; whoever can dial it may call' AS detail
FROM answer_settings
JOIN workspace_devices USING (org_id)
WHERE entity_type = 'WORKSPACE' AND workspace_id = entity_id AND device_id IS NULL AND auto_answer_enabled
