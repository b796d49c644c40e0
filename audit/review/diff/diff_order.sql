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
SELECT kind, "table", org_id, coalesce(h.entity_type, p.entity_type) AS entity_type, entity_id, entity_name, location_name,
       key, key_name, "column", old, new, old_state, new_state
FROM parts AS p
LEFT JOIN headings AS h USING (org_id, entity_id)
ORDER BY org_id, location_name NULLS LAST, entity_name NULLS LAST, entity_id, 4, "table", key NULLS FIRST,
         key_name NULLS FIRST, "column" NULLS FIRST, old NULLS FIRST, new NULLS FIRST
