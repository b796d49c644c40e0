-- title: A room opens less than was approved
-- severity: info
-- rationale: Nobody can listen who could not before, but the approved state is out of date, and a later change back to it
--   would look approved.
-- remedy: Approve the new state if it is meant to last ('webex-audit approve').
-- tables: drift
-- controls: NIST-800-53 CM-3, CM-6; NIST-800-171 3.4.3; ISO-27001 A.8.9, A.8.32; SOC2 CC8.1
SELECT org_id, entity_type, entity_id, entity_name, location_name, detail, key
FROM drift
WHERE NOT is_open
