-- title: Many people may open many loudspeakers
-- severity: medium
-- rationale: A paging group opens the loudspeakers of all its targets at once, without anyone picking up. The more people
--   may call it, and the more targets it has, the more harm a single caller can do.
-- remedy: In Control Hub, under Paging Group, keep only the originators who need it, or split the group by area.
-- tables: paging_groups
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    originator_count || ' may open ' || target_count || ' loudspeakers at once' AS detail
FROM paging_groups
WHERE enabled AND originator_count >= 5 AND target_count >= 10
