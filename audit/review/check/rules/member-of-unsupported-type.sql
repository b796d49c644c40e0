-- title: A member is a shared line, not a person
-- severity: low
-- rationale: Control Hub offers lines of workspaces and virtual lines for these lists, beside those of people; the
--   description of the API names people only. Whoever stands at such a line may call, or is blocked, and the list does
--   not say who that is.
-- remedy: If the line is meant, accept the finding with an exception that names who answers for it. If not, replace the
--   line with the people who are meant.
-- tables: push_to_talk_members
-- controls: NIST-800-53 AC-3; NIST-800-171 3.1.2; ISO-27001 A.5.15; SOC2 CC6.3
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    concat_ws(
        ' ', 'member', member_display_name, '(' || coalesce(member_email, member_id) || ')', 'is of type', member_type
    ) AS detail,
    concat_ws(' ', coalesce(member_id, member_email, member_display_name), member_type) AS key
FROM push_to_talk_members
WHERE member_type <> 'PEOPLE' AND coalesce(number_position, 0) = 0
