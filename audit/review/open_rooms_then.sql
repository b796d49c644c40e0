-- What another snapshot says of each way that is open now: `open`, `closed` or `not known`. `gap` says where
-- the absence of an answer there is not a fact, and where (`is_whole`) its answers say nothing either.
CREATE VIEW main_ways.{then} AS
SELECT way.org_id, way.way, way.entity_type, way.entity_key, answer.at,
       CASE WHEN then_way.way IS NOT NULL THEN 'open'
            WHEN gap.is_whole OR (answer.way IS NULL AND gap.way IS NOT NULL) OR NOT answer.is_known THEN 'not known'
            ELSE 'closed' END AS state,
       list_sort(list_transform(coalesce(way.openers, []), lambda each: each.key))
       = list_sort(list_transform(coalesce(then_way.openers, []), lambda each: each.key)) AS is_same
FROM main_ways.way
LEFT JOIN {then}_ways.way AS then_way
    ON then_way.org_id = way.org_id AND then_way.way = way.way AND then_way.entity_type = way.entity_type
    AND then_way.entity_key = way.entity_key
LEFT JOIN {then}_ways.answer
    ON answer.org_id = way.org_id AND answer.way = way.way
    AND answer.entity_type = if(way.way = 'paging', '', way.entity_type)
    AND answer.entity_key = if(way.way = 'paging', '', way.entity_key)
LEFT JOIN {then}_ways.gap
    ON gap.org_id = way.org_id AND gap.way = way.way AND gap.entity_type = if(way.way = 'paging', '', way.entity_type)
