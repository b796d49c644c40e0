-- title: A member is of a type that Push-to-Talk does not support
-- severity: medium
-- rationale: The documents allow people alone. A place or a group in the list may let everybody behind it call, and is
--   no name that anyone answers for.
-- remedy: Replace the member by the people who are meant.
-- tables: push_to_talk_members
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    concat_ws(
        ' ', 'member', member_display_name, '(' || coalesce(member_email, member_id) || ')', 'is of type', member_type
    ) AS detail
FROM push_to_talk_members
WHERE member_type <> 'PEOPLE' AND coalesce(number_position, 0) = 0
