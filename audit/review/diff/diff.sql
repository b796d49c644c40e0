-- The differences between two snapshots: schema `previous` is the old one, `main` the new one. Both sides are grouped
-- together, so that a null is a key like any other value, and DuckDB can spill what does not fit into memory.
-- It needs old_coverage and new_coverage and, from the manifests, absence, gaps and chosen_sites.

CREATE TEMP VIEW coverage_of_both AS
SELECT false AS is_new, org_id, dataset, entity_type, entity_id, entity_name, location_id, location_name, site_url, outcome
FROM old_coverage
UNION ALL
SELECT true, org_id, dataset, entity_type, entity_id, entity_name, location_id, location_name, site_url, outcome
FROM new_coverage;

-- A cell is an entity in a dataset and, if there are sites, on a site. Cells with equal complete answers are left out.
CREATE TEMP TABLE cells AS
SELECT org_id, dataset, entity_type, entity_id, site_url,
       any_value(outcome) FILTER (NOT is_new) AS old_word,
       any_value(outcome) FILTER (is_new) AS new_word
FROM coverage_of_both
GROUP BY ALL
HAVING old_word IS DISTINCT FROM new_word OR NOT list_contains(getvariable('complete_outcomes'), old_word);

-- What a side knows about an entity although it lacks a cell. An outcome without a site stands for all its sites.
CREATE TEMP TABLE present AS
SELECT is_new, org_id, dataset, entity_id, any_value(outcome) FILTER (site_url IS NULL) AS whole
FROM coverage_of_both
SEMI JOIN (FROM cells WHERE old_word IS NULL OR new_word IS NULL) USING (org_id, dataset, entity_id)
GROUP BY ALL;

CREATE TEMP TABLE judged AS
WITH stated AS (
  SELECT c.org_id, c.dataset, c.entity_type, c.entity_id, c.site_url,
         coalesce(c.old_word, o.whole) AS old_outcome,
         coalesce(c.new_word, n.whole) AS new_outcome,
         c.old_word IS NULL AND o.org_id IS NULL AS is_new_entity,
         c.new_word IS NULL AND n.org_id IS NULL AS is_lost_entity,
         CASE WHEN old_outcome IS NULL THEN coalesce(
           CASE WHEN is_new_entity THEN a.old_reason END,
           CASE WHEN s.old_sites <> [] AND NOT list_contains(s.old_sites, c.site_url) THEN 'the site was not asked for' END
         ) END AS old_reason,
         CASE WHEN new_outcome IS NULL THEN coalesce(
           CASE WHEN is_lost_entity THEN a.new_reason END,
           CASE WHEN s.new_sites <> [] AND NOT list_contains(s.new_sites, c.site_url) THEN 'the site was not asked for' END
         ) END AS new_reason
  FROM cells AS c
  CROSS JOIN chosen_sites AS s
  LEFT JOIN present AS o
    ON NOT o.is_new AND o.org_id = c.org_id AND o.dataset = c.dataset AND o.entity_id = c.entity_id
  LEFT JOIN present AS n
    ON n.is_new AND n.org_id = c.org_id AND n.dataset = c.dataset AND n.entity_id = c.entity_id
  LEFT JOIN absence AS a
    ON a.org_id = c.org_id AND a.dataset = c.dataset AND a.entity_type = c.entity_type
  -- The rows of the sites on the other side say it already.
  WHERE NOT (
    c.site_url IS NULL
    AND ((c.old_word IS NULL AND o.org_id IS NOT NULL) OR (c.new_word IS NULL AND n.org_id IS NOT NULL))
  )
)
SELECT *, coalesce(old_outcome, old_reason, 'not listed') AS old_state,
       coalesce(new_outcome, new_reason, 'not listed') AS new_state,
       CASE
         WHEN old_reason IS NOT NULL OR new_reason IS NOT NULL THEN 'unknown'
         WHEN NOT list_contains(getvariable('complete_outcomes'), old_outcome) THEN 'unknown'
         WHEN NOT list_contains(getvariable('complete_outcomes'), new_outcome) THEN 'unknown'
         WHEN old_outcome = 'ok' OR new_outcome IS NULL THEN 'removed'
         WHEN new_outcome = 'ok' OR old_outcome IS NULL THEN 'added'
         ELSE 'changed'
       END AS kind
FROM stated
WHERE old_state <> new_state OR kind = 'unknown';

-- Entities that only one side lists in any dataset.
CREATE TEMP TABLE entity_rows AS
SELECT j.kind, j.org_id, j.entity_id, arg_max(j.old_outcome, j.dataset) AS old_value,
       arg_max(j.new_outcome, j.dataset) AS new_value, arg_max(j.old_state, j.dataset) AS old_state,
       arg_max(j.new_state, j.dataset) AS new_state
FROM judged AS j
WHERE ((j.kind = 'added' AND j.is_new_entity) OR (j.kind = 'removed' AND j.is_lost_entity))
  AND NOT EXISTS (
    FROM coverage_of_both AS b
    WHERE b.org_id = j.org_id AND b.entity_id = j.entity_id AND b.is_new = (j.kind = 'removed')
  )
GROUP BY ALL;

-- Names and locations of entities that both sides list. A name that one side does not know (the entity was gone, or
-- the token may not read the location) is not a change.
CREATE TEMP VIEW identity_changes AS
WITH pairs AS (
  SELECT org_id, dataset, entity_id,
         any_value({'name': entity_name, 'location_id': location_id, 'location': location_name}) FILTER (NOT is_new) AS o,
         any_value({'name': entity_name, 'location_id': location_id, 'location': location_name}) FILTER (is_new) AS n
  FROM coverage_of_both
  WHERE entity_name IS NOT NULL OR outcome = 'ok'
  GROUP BY ALL
  HAVING o IS NOT NULL AND n IS NOT NULL AND o IS DISTINCT FROM n
),
latest AS (
  SELECT org_id, entity_id, arg_max(o, dataset) AS o, arg_max(n, dataset) AS n FROM pairs GROUP BY ALL
),
named AS (
  SELECT *, o.location IS DISTINCT FROM n.location
            AND (o.location IS NOT NULL OR o.location_id IS NULL)
            AND (n.location IS NOT NULL OR n.location_id IS NULL) AS is_named
  FROM latest
)
SELECT org_id, entity_id, unnest([
  {'name': 'entity_name', 'old': o.name, 'new': n.name},
  CASE WHEN is_named THEN {'name': 'location_name', 'old': o.location, 'new': n.location}
       ELSE {'name': 'location_id', 'old': o.location_id, 'new': n.location_id} END
]) AS d
FROM named;

-- All differences but those of settings and members: entities as a whole, and their datasets and sites.
CREATE TEMP VIEW coverage_changes AS
SELECT kind, 'coverage' AS "table", org_id, entity_id, old_value AS old, new_value AS new, old_state, new_state
FROM entity_rows
UNION ALL BY NAME
SELECT 'changed' AS kind, 'coverage' AS "table", org_id, entity_id, d.name AS "column", d.old, d.new
FROM identity_changes
WHERE d.old IS DISTINCT FROM d.new
UNION ALL BY NAME
SELECT kind, dataset AS "table", org_id, entity_id, site_url AS key, old_state, new_state
FROM judged
WHERE kind = 'unknown'
UNION ALL BY NAME
-- Neither side has settings, and no row says it about the entity as a whole.
SELECT kind, dataset AS "table", org_id, entity_id, site_url AS key, 'outcome' AS "column", old_outcome AS old,
       new_outcome AS new
FROM judged
ANTI JOIN entity_rows USING (kind, org_id, entity_id)
WHERE kind <> 'unknown' AND coalesce(old_outcome, '') <> 'ok' AND coalesce(new_outcome, '') <> 'ok'
UNION ALL BY NAME
SELECT 'unknown' AS kind, dataset AS "table", org_id, entity_type, '' AS entity_id,
       coalesce(old_reason, 'nothing listed') AS old_state, coalesce(new_reason, 'nothing listed') AS new_state
FROM gaps;
