-- title: A room opens less than was approved
-- severity: info
-- rationale: Nobody can listen who could not before, but the approved state is out of date, and a later change back to it
--   would look approved.
-- remedy: Approve the new state if it is meant to last ('webex-audit approve').
-- tables: push_to_talk, drift
SELECT org_id, entity_type, entity_id, entity_name, location_name, detail
FROM drift
WHERE NOT is_open
