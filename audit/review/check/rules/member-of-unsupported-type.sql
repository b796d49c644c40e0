-- title: A member is of a type that Push-to-Talk does not support
-- severity: medium
-- rationale: The documentation allows people only. A place or a group on the list may let everyone in it call, and
--   nobody answers for it by name.
-- remedy: Replace the member with the people who are meant.
-- tables: push_to_talk_members
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    concat_ws(
        ' ', 'member', member_display_name, '(' || coalesce(member_email, member_id) || ')', 'is of type', member_type
    ) AS detail
FROM push_to_talk_members
WHERE member_type <> 'PEOPLE' AND coalesce(number_position, 0) = 0
