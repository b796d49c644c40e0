-- title: Many people may open many loudspeakers
-- severity: medium
-- rationale: A paging group opens the loudspeakers of all its targets at once, without anyone picking up. The more people
--   may call it, and the more targets it has, the more harm a single caller can do.
-- remedy: In Control Hub, under Paging Group, keep only the originators who need it, or split the group by area.
-- tables: paging_groups
-- controls: NIST-800-53 AC-3, AC-6; NIST-800-171 3.1.5; ISO-27001 A.5.15; SOC2 CC6.3
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    originator_count || ' may open ' || target_count || ' loudspeakers at once' AS detail
FROM paging_groups
WHERE enabled AND originator_count >= 5 AND target_count >= 10
