-- Who joined or left a paging group, in each role. It needs the views old_paging and new_paging, and `judged` of diff.sql.
-- An id names a member; without it, its numbers and name do.
CREATE TEMP VIEW paging_changes AS
WITH member AS (
  SELECT is_new, org_id, entity_id, role, nullif(trim(member_id), '') AS member_id,
         coalesce(nullif(trim(concat_ws(' ', nullif(trim(member_first_name), '.'), nullif(trim(member_last_name), '.'))), ''),
                  member_id, number_esn, number_extension, number_external, '(unnamed)') AS name,
         coalesce(nullif(trim(member_id), ''), concat_ws(' ', 'without id', number_esn, number_extension, number_external,
                  member_first_name, member_last_name)) AS member_key
  FROM (SELECT false AS is_new, * FROM old_paging UNION ALL BY NAME SELECT true AS is_new, * FROM new_paging)
  ANTI JOIN (FROM judged WHERE kind = 'unknown' AND dataset = 'paging_groups') USING (org_id, entity_id)
)
SELECT if(bool_or(is_new), 'added', 'removed') AS kind, 'paging_group_members' AS "table", org_id, entity_id,
       min(member_id) AS key, lower(role) || ' ' || min(name) AS key_name,
       CASE WHEN NOT bool_or(is_new) THEN role END AS old, CASE WHEN bool_or(is_new) THEN role END AS new
FROM member
GROUP BY org_id, entity_id, role, member_key
HAVING count(DISTINCT is_new) = 1;
