-- title: A room opens more than was approved
-- severity: high
-- rationale: Somebody has reviewed who may open which room and approved it. This room now opens for more people, or lets
--   callers listen, and nobody has approved that.
-- remedy: Undo the change in Control Hub. If it is wanted, approve the new state ('webex-audit approve').
-- tables: drift
-- controls: NIST-800-53 SC-15, CM-3, CM-6; NIST-800-171 3.13.12, 3.4.3; ISO-27001 A.8.9, A.8.32; SOC2 CC7.1, CC8.1;
--   HIPAA 164.312(b)
SELECT org_id, entity_type, entity_id, entity_name, location_name, detail, key
FROM drift
WHERE is_open
