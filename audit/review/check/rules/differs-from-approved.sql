-- title: A room opens more than was approved
-- severity: high
-- rationale: Somebody has reviewed who may open which room and approved it. This room now opens for more people, or lets
--   callers listen, and nobody has approved that.
-- remedy: Undo the change in Control Hub. If it is wanted, approve the new state ('webex-audit approve').
-- tables: push_to_talk, drift
SELECT org_id, entity_type, entity_id, entity_name, location_name, detail
FROM drift
WHERE is_open
