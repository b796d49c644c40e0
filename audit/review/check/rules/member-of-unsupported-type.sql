-- title: A member is of a type that Push-to-Talk does not support
-- severity: medium
-- rationale: The documentation allows people only. A place or a group on the list may let everyone in it call, and
--   nobody answers for it by name.
-- remedy: Replace the member with the people who are meant.
-- tables: push_to_talk_members
-- controls: NIST-800-53 AC-3; NIST-800-171 3.1.2; ISO-27001 A.5.15; SOC2 CC6.3
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    concat_ws(
        ' ', 'member', member_display_name, '(' || coalesce(member_email, member_id) || ')', 'is of type', member_type
    ) AS detail
FROM push_to_talk_members
WHERE member_type <> 'PEOPLE' AND coalesce(number_position, 0) = 0
