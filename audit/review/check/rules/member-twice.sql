-- title: A list names the same member twice
-- severity: low
-- rationale: Whoever removes one of the two entries believes that the member is gone, but the other entry remains.
-- remedy: Remove every entry of the member, then add the member once where it is needed.
-- tables: push_to_talk_members
-- controls: NIST-800-53 AC-2; NIST-800-171 3.1.1; ISO-27001 A.5.18; SOC2 CC6.2, CC6.3; HIPAA 164.308(a)(3)(ii)(C)
SELECT
    org_id, entity_type, entity_id,
    any_value(entity_name) AS entity_name,
    any_value(location_name) AS location_name,
    concat_ws(
        ' ', 'member', min(member_display_name), '(' || coalesce(min(member_email), member_id) || ')',
        'stands in the list', count(DISTINCT member_position), 'times'
    ) AS detail,
    concat_ws(' ', member_id, count(DISTINCT member_position)) AS key
FROM push_to_talk_members
WHERE member_id IS NOT NULL
GROUP BY org_id, entity_type, entity_id, member_id
HAVING count(DISTINCT member_position) > 1
