-- All differences, each with the name of its entity, in order. A part may lack columns, which are null then;
-- only those of members have a `key_name`.
WITH parts AS MATERIALIZED (
  FROM (SELECT NULL::VARCHAR AS key_name LIMIT 0)
  UNION ALL BY NAME
  @parts
),
headings AS (
  SELECT org_id, entity_id, any_value(entity_type) AS entity_type,
         arg_max(entity_name, CAST(is_new AS VARCHAR) || dataset) AS entity_name,
         arg_max(location_name, CAST(is_new AS VARCHAR) || dataset) AS location_name
  FROM coverage_of_both
  SEMI JOIN parts USING (org_id, entity_id)
  GROUP BY ALL
)
SELECT p.kind, p."table", org_id, coalesce(h.entity_type, p.entity_type) AS entity_type, entity_id, entity_name, location_name,
       key, key_name, "column", old, new, old_state, new_state,
       CASE WHEN m.number IS NULL THEN e.way ELSE 'id' END AS event_way,
       coalesce(m.event_count, e.event_count) AS event_count, coalesce(m.number, e.number) AS event_number
FROM parts AS p
LEFT JOIN headings AS h USING (org_id, entity_id)
LEFT JOIN event_matches AS e
  ON e.org_id = p.org_id AND e.entity_id = p.entity_id
  AND e.dataset = CASE p."table" WHEN 'coverage' THEN '' WHEN 'push_to_talk_members' THEN 'push_to_talk'
                           WHEN 'paging_group_members' THEN 'paging_groups' ELSE p."table" END
LEFT JOIN member_matches AS m
  ON m.org_id = p.org_id AND m.entity_id = p.entity_id AND m.member_id = p.key
  AND p."table" = 'push_to_talk_members' AND p.kind <> 'added'
ORDER BY org_id, location_name NULLS LAST, entity_name NULLS LAST, entity_id, 4, "table", key NULLS FIRST,
         key_name NULLS FIRST, "column" NULLS FIRST, old NULLS FIRST, new NULLS FIRST
