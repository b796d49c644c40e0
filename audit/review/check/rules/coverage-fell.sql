-- title: Less was read than in the snapshot before
-- severity: high
-- rationale: When a token loses a right, a license expires or a listing ends early, rooms disappear from the review,
--   and a review of fewer rooms looks cleaner than it is.
-- remedy: Find out what is missing ('webex-audit diff' names it) before you believe that it is gone.
-- tables: coverage, previous.coverage
-- controls: NIST-800-53 CA-7; NIST-800-171 3.12.3; ISO-27001 A.5.36; SOC2 CC4.1; HIPAA 164.308(a)(8)
WITH
    now AS (
        SELECT
            org_id, dataset, entity_type,
            count(*) AS asked,
            count(*) FILTER (list_contains(getvariable('complete_outcomes'), outcome)) AS answered,
            count(*) FILTER (outcome = 'ok') AS read
        FROM coverage
        GROUP BY ALL
    ),
    before AS (
        SELECT
            org_id, dataset, entity_type,
            count(*) AS asked,
            count(*) FILTER (list_contains(getvariable('complete_outcomes'), outcome)) AS answered,
            count(*) FILTER (outcome = 'ok') AS read
        FROM previous.coverage
        GROUP BY ALL
    )
-- Any fall of the share of answers counts, but settings must fall by a tenth, as single rooms come and go.
SELECT
    org_id, entity_type, NULL AS entity_id, NULL AS entity_name, NULL AS location_name,
    format(
        '{} of {}: {} listed, {} answered, {} with settings; before: {}, {} and {}',
        dataset, entity_type, coalesce(now.asked, 0), coalesce(now.answered, 0), coalesce(now.read, 0),
        before.asked, before.answered, before.read
    ) AS detail
FROM before LEFT JOIN now USING (org_id, dataset, entity_type)
WHERE
    coalesce(now.answered, 0) * before.asked < before.answered * coalesce(now.asked, 0)
    OR coalesce(now.read, 0) < 0.9 * before.read
    OR now.asked IS NULL
