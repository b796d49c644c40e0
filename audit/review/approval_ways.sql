-- All ways in which rooms open, now and in the approved snapshot. It needs the tables of approval.sql, and the schemas
-- main_ways and approved_ways (open_ways.sql) with their tables `gap`.

CREATE TEMP MACRO place_of(way, name) AS if(way = 'paging', '', name);
CREATE TEMP VIEW now_way AS FROM main_ways.way WHERE way <> 'push_to_talk';
CREATE TEMP VIEW then_way AS FROM approved_ways.way WHERE way <> 'push_to_talk';

-- What answered ordinary calls or was asked about it, and what is or was paged: both sides. `surely` says that
-- the side has answered in full, so that what it does not name is not there.
CREATE TEMP TABLE way_pair AS
WITH subject AS (
  SELECT org_id, way, entity_type, entity_key FROM main_ways.answer WHERE way = 'answer_settings'
  UNION SELECT org_id, way, entity_type, entity_key FROM now_way
  UNION SELECT org_id, way, entity_type, entity_key FROM then_way WHERE way = 'paging'
),
titled AS (
  SELECT org_id, entity_type, entity_id AS entity_key, min(entity_name) AS listed_name,
         min(location_name) AS listed_location
  FROM main_ways.coverage GROUP BY ALL
)
SELECT s.*, coalesce(n.entity_name, listed_name, t.entity_name) AS entity_name,
       coalesce(n.location_name, listed_location, t.location_name) AS location_name,
       n.way IS NOT NULL AS opens, t.way IS NOT NULL AS opened,
       coalesce(na.is_known, ng.way IS NULL) AND NOT coalesce(ng.is_whole, false) AS now_surely,
       coalesce(ta.is_known, tg.way IS NULL) AND NOT coalesce(tg.is_whole, false) AS then_surely,
       ta.way IS NULL AS is_new, tg.reason,
       coalesce(n.openers, []) AS openers_now, coalesce(t.openers, []) AS openers_then,
       list_transform(openers_now, lambda each: each.key) AS keys,
       list_transform(openers_then, lambda each: each.key) AS then_keys,
       list_sort(list_distinct(list_transform(openers_now, lambda each: each.name))) AS names, coalesce(n.paging_groups, t.paging_groups) AS paging_groups
FROM subject AS s
LEFT JOIN now_way AS n USING (org_id, way, entity_type, entity_key)
LEFT JOIN then_way AS t USING (org_id, way, entity_type, entity_key)
LEFT JOIN titled USING (org_id, entity_type, entity_key)
LEFT JOIN main_ways.answer AS na ON na.org_id = s.org_id AND na.way = s.way
  AND na.entity_type = place_of(s.way, s.entity_type) AND na.entity_key = place_of(s.way, s.entity_key)
LEFT JOIN approved_ways.answer AS ta ON ta.org_id = s.org_id AND ta.way = s.way
  AND ta.entity_type = place_of(s.way, s.entity_type) AND ta.entity_key = place_of(s.way, s.entity_key)
LEFT JOIN main_ways.gap AS ng ON ng.org_id = s.org_id AND ng.way = s.way
  AND ng.entity_type = place_of(s.way, s.entity_type)
LEFT JOIN approved_ways.gap AS tg ON tg.org_id = s.org_id AND tg.way = s.way
  AND tg.entity_type = place_of(s.way, s.entity_type);

-- Why the approval can't judge what opens now, or what may open.
CREATE TEMP TABLE way_state AS
SELECT org_id, 'push_to_talk' AS way, entity_type, entity_id, entity_name, location_name, opens,
       connection_type IS DISTINCT FROM 'ONE_WAY' AS hears, lacks,
       CASE WHEN NOT is_known THEN 'the snapshot has no answer for it (' || outcome || ')' END AS now_lacks,
       then_outcome IS NULL AND lacks IS NULL AND is_known AS is_new
FROM pair
UNION ALL
SELECT org_id, way, entity_type, entity_key, entity_name, location_name, opens, way = 'answer_settings',
       -- Whoever the approved groups do not name may be in a group that was not read.
       CASE WHEN opens AND NOT then_surely AND NOT (opened AND list_has_all(then_keys, keys))
            THEN coalesce('the approved snapshot can''t say whether it did: ' || reason,
                          'the approved snapshot has no complete answer for it') END,
       CASE WHEN NOT opens AND NOT now_surely AND (opened OR way = 'answer_settings')
            THEN 'the snapshot has no complete answer for it' END,
       way = 'answer_settings' AND is_new AND then_surely AND now_surely
FROM way_pair;

CREATE TEMP MACRO spoken_way(way) AS CASE way WHEN 'answer_settings' THEN 'ordinary calls: ' WHEN 'paging' THEN 'paging: '
                                              ELSE '' END;
CREATE TEMP MACRO callers(number) AS if(number = 1, '1 caller', number || ' callers');
-- A key stands for who may open it: names change, and the same people must be the same finding.
CREATE TEMP TABLE drift AS
WITH judged AS (
  SELECT p.* FROM way_pair AS p JOIN way_state AS s ON s.org_id = p.org_id AND s.way = p.way
    AND s.entity_type = p.entity_type AND s.entity_id = p.entity_key
  WHERE s.lacks IS NULL AND s.now_lacks IS NULL
),
opener AS (
  SELECT org_id, way, entity_type, entity_key, entity_name, location_name, true AS is_new, unnest(openers) AS opener
  FROM (SELECT *, list_filter(openers_now, lambda each: NOT list_contains(then_keys, each.key)) AS openers FROM judged)
  WHERE way = 'paging' AND opens AND opened
  UNION ALL
  SELECT org_id, way, entity_type, entity_key, entity_name, location_name, false, unnest(openers)
  FROM (SELECT *, list_filter(openers_then, lambda each: NOT list_contains(keys, each.key)) AS openers FROM judged)
  WHERE way = 'paging' AND opens AND opened AND now_surely
)
SELECT org_id, way, entity_type, entity_id, entity_name, location_name, is_open, place, detail, key FROM talk_drift
UNION ALL
SELECT org_id, way, entity_type, entity_key, entity_name, location_name, true, 5,
       CASE WHEN is_new THEN 'is new since the approval and answers ordinary calls by itself'
            ELSE 'answers ordinary calls by itself now, and was approved as not' END
       || ': whoever can dial it may listen and speak', 'answer_settings'
FROM judged WHERE way = 'answer_settings' AND opens AND NOT opened
UNION ALL
SELECT org_id, way, entity_type, entity_key, entity_name, location_name, false, 5,
       'answers no ordinary calls by itself any more; approved: whoever can dial it may listen and speak', 'answer_settings gone'
FROM judged WHERE way = 'answer_settings' AND opened AND NOT opens AND now_surely
UNION ALL
SELECT org_id, way, entity_type, entity_key, entity_name, location_name, true, 6,
       'is a target of paging now, and was approved as none: ' || callers(len(keys)) || named(names)
       || ' may speak by ' || coalesce(paging_groups, 'a paging group'),
       'paging by ' || md5(array_to_string(list_sort(keys), chr(10)))
FROM judged WHERE way = 'paging' AND opens AND NOT opened
UNION ALL
SELECT org_id, way, entity_type, entity_key, entity_name, location_name, false, 6,
       'is not a target of paging any more; approved: ' || callers(len(then_keys)) || ' may speak by '
       || coalesce(paging_groups, 'a paging group'), 'paging gone'
FROM judged WHERE way = 'paging' AND opened AND NOT opens AND now_surely
UNION ALL
SELECT org_id, way, entity_type, entity_key, entity_name, location_name, is_new, 7,
       opener.name || if(is_new, ' may speak by paging; the approved groups do not let this caller in',
                         ' may not speak by paging any more; the approved groups let this caller in'),
       if(is_new, 'new', 'gone') || ' paging ' || opener.key
FROM opener;

-- What the approval says of each way of each room.
CREATE TEMP TABLE way_approval AS
SELECT s.*, CASE WHEN coalesce(lacks, now_lacks) IS NOT NULL THEN 'not known' WHEN is_open THEN 'no'
                 WHEN is_open IS NOT NULL THEN 'yes, narrower' ELSE 'yes' END AS judgement
FROM way_state AS s
LEFT JOIN (SELECT org_id, way, entity_type, entity_id, bool_or(is_open) AS is_open FROM drift GROUP BY ALL)
  USING (org_id, way, entity_type, entity_id);

-- A row for each room of the snapshot, for all ways together: what opens more comes first, then what is not known.
CREATE TEMP TABLE approval AS
WITH differing AS (
  SELECT org_id, entity_type, entity_id, count(*) AS differences,
         list(detail ORDER BY NOT is_open, place, detail) AS details
  FROM drift GROUP BY ALL
),
room AS (
  SELECT org_id, entity_type, entity_id, bool_or(judgement = 'no') AS opens_more,
         bool_or(judgement = 'not known') AS is_unknown, bool_or(is_new) AS is_new,
         list(spoken_way(way) || coalesce(lacks, now_lacks) ORDER BY way DESC)
           FILTER (coalesce(lacks, now_lacks) IS NOT NULL) AS unknowns
  FROM way_approval GROUP BY ALL
)
SELECT org_id, entity_type, entity_id,
       CASE WHEN opens_more THEN if(is_new, 'added', 'differs') WHEN is_unknown THEN 'unknown' WHEN is_new THEN 'added'
            WHEN differences IS NOT NULL THEN 'differs' ELSE 'approved' END AS state,
       opens_more AS is_open,
       CASE WHEN state = 'approved' THEN NULL
            WHEN state = 'added' AND NOT opens_more THEN 'is new since the approval; it opens for nobody'
            ELSE array_to_string(list_concat(details[1:5],
                   if(differences > 5, ['and ' || (differences - 5) || ' more'], []),
                   unknowns), '; ') END AS detail
FROM room LEFT JOIN differing USING (org_id, entity_type, entity_id);

-- Ways that open, and that the approved snapshot can't judge.
CREATE TEMP TABLE unjudged AS
SELECT org_id, entity_type, entity_id, way, lacks FROM way_state WHERE opens AND lacks IS NOT NULL;
