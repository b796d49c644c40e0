-- The differences of members between two snapshots, in entities that both sides answered.

-- A member without an id is identified by everything else that names it.
CREATE TEMP MACRO unnamed(id, type, first_name, last_name, display_name, email) AS
  CASE WHEN id IS NULL THEN [type, first_name, last_name, display_name, email] END;

CREATE TEMP VIEW members_of_both AS
SELECT is_new, org_id, entity_id, member_position, member_id, member_type, member_first_name, member_last_name,
       member_display_name, member_email, member_location_id, member_location_name, number_position, number_external,
       number_extension, number_routing_prefix, number_esn, number_primary,
       unnamed(member_id, member_type, member_first_name, member_last_name, member_display_name, member_email) AS unnamed
FROM (
  SELECT false AS is_new, * FROM previous.push_to_talk_members
  UNION ALL BY NAME
  SELECT true AS is_new, * FROM main.push_to_talk_members
);

-- The members whose rows differ, or differ in number, between the sides; their order does not matter.
CREATE TEMP TABLE touched AS
SELECT DISTINCT org_id, entity_id, member_id, unnamed
FROM (
  SELECT * EXCLUDE (is_new, member_position, number_position), coalesce(number_position, 0) = 0 AS is_first,
         count(*) FILTER (is_new) AS in_new, count(*) FILTER (NOT is_new) AS in_old
  FROM members_of_both
  GROUP BY ALL
  HAVING in_new <> in_old
)
ANTI JOIN (FROM judged WHERE kind = 'unknown' AND dataset = 'push_to_talk') USING (org_id, entity_id);

-- A labeled part of a number: quoted if it is empty or could be taken for another part.
CREATE TEMP MACRO labeled(label, value) AS label || CASE
  WHEN regexp_full_match(value, '[^\s"()]+') THEN value
  ELSE '"' || replace(value, '"', '""') || '"'
END;
-- The distinct values of a column: one, unless the member is listed more than once.
CREATE TEMP MACRO distinct_of(texts) AS CASE len(texts)
  WHEN 1 THEN texts
  ELSE flatten(list_sort(list_distinct(list_transform(texts, lambda t: [t]))))
END;
CREATE TEMP MACRO listed(texts) AS CASE len(texts)
  WHEN 0 THEN NULL
  WHEN 1 THEN texts[1]
  ELSE array_to_string(list_transform(texts, lambda t: coalesce(t, '(none)')), ', ')
END;
CREATE TEMP MACRO numbers_of(items) AS list_sort(list_distinct(list_transform(items, lambda m: m.number)));
CREATE TEMP MACRO times_of(items) AS [CAST(len(list_distinct(list_transform(items, lambda m: m.position))) AS VARCHAR)];

-- One row for each member, however often it is listed and however many numbers it has: `o` and `n` are its old and
-- new rows.
CREATE TEMP TABLE member_pairs AS
WITH occurrences AS (
  SELECT m.*, {
           'position': member_position, 'type': member_type, 'first_name': member_first_name,
           'last_name': member_last_name, 'display_name': member_display_name, 'email': member_email,
           'location_id': member_location_id, 'location_name': member_location_name,
           'number': CASE WHEN number_position IS NOT NULL THEN concat_ws(
             ' ', labeled('', number_external), labeled('ext. ', number_extension), labeled('prefix ', number_routing_prefix),
             labeled('esn ', number_esn), CASE number_primary WHEN true THEN '(primary)' WHEN false THEN '(not primary)' END
           ) END
         } AS item
  FROM members_of_both AS m
  JOIN touched AS t
    ON t.org_id = m.org_id AND t.entity_id = m.entity_id AND t.member_id IS NOT DISTINCT FROM m.member_id
    AND t.unnamed IS NOT DISTINCT FROM m.unnamed
),
pairs AS (
  SELECT org_id, entity_id, member_id, unnamed, list(item) FILTER (NOT is_new) AS o, list(item) FILTER (is_new) AS n
  FROM occurrences
  GROUP BY ALL
)
SELECT org_id, entity_id, member_id, o, n, list_min(list_transform(coalesce(n, o), lambda m: coalesce(
         m.display_name, nullif(concat_ws(' ', m.first_name, m.last_name), ''), m.email))) AS name
FROM pairs;

CREATE TEMP VIEW member_changes AS
SELECT CASE WHEN o IS NULL THEN 'added' ELSE 'removed' END AS kind, 'push_to_talk_members' AS "table", org_id,
       entity_id, member_id AS key, name AS key_name, listed(numbers_of(o)) AS old, listed(numbers_of(n)) AS new
FROM member_pairs
WHERE o IS NULL OR n IS NULL
UNION ALL BY NAME
SELECT 'changed' AS kind, 'push_to_talk_members' AS "table", org_id, entity_id, member_id AS key, name AS key_name,
       d.name AS "column", listed(d.old) AS old, listed(d.new) AS new
FROM (
  SELECT org_id, entity_id, member_id, name, unnest(list_filter([
    {'name': 'member_type', 'old': distinct_of(list_transform(o, lambda m: m.type)),
     'new': distinct_of(list_transform(n, lambda m: m.type))},
    {'name': 'member_first_name', 'old': distinct_of(list_transform(o, lambda m: m.first_name)),
     'new': distinct_of(list_transform(n, lambda m: m.first_name))},
    {'name': 'member_last_name', 'old': distinct_of(list_transform(o, lambda m: m.last_name)),
     'new': distinct_of(list_transform(n, lambda m: m.last_name))},
    {'name': 'member_display_name', 'old': distinct_of(list_transform(o, lambda m: m.display_name)),
     'new': distinct_of(list_transform(n, lambda m: m.display_name))},
    {'name': 'member_email', 'old': distinct_of(list_transform(o, lambda m: m.email)),
     'new': distinct_of(list_transform(n, lambda m: m.email))},
    {'name': 'member_location_id', 'old': distinct_of(list_transform(o, lambda m: m.location_id)),
     'new': distinct_of(list_transform(n, lambda m: m.location_id))},
    {'name': 'member_location_name', 'old': distinct_of(list_transform(o, lambda m: m.location_name)),
     'new': distinct_of(list_transform(n, lambda m: m.location_name))},
    {'name': 'numbers', 'old': numbers_of(o), 'new': numbers_of(n)},
    {'name': 'times_listed', 'old': times_of(o), 'new': times_of(n)}
  ], lambda d: d.old IS DISTINCT FROM d.new)) AS d
  FROM member_pairs
  WHERE o IS NOT NULL AND n IS NOT NULL
);
