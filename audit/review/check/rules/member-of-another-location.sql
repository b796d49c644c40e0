-- title: A member who may call is at a location other than the room's
-- severity: medium
-- rationale: Push-to-Talk is meant for people nearby. A member elsewhere has often moved, and kept the right to open a
--   loudspeaker or a microphone from afar.
-- remedy: Ask whoever answers for the room whether the member is still needed; if not, remove the member from the list.
-- tables: push_to_talk_members
-- controls: NIST-800-53 AC-3, AC-6; NIST-800-171 3.1.5; ISO-27001 A.5.15; SOC2 CC6.3; HIPAA 164.308(a)(4)
-- Both ids and names are compared, as either may be missing.
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    concat_ws(
        ' ', 'member', member_display_name, '(' || coalesce(member_email, member_id) || ')',
        'is at', coalesce(member_location_name, member_location_id) || ',',
        'not at', coalesce(location_name, location_id)
    ) AS detail,
    concat_ws(
        ' ', coalesce(member_id, member_email, member_display_name),
        coalesce(member_location_id, member_location_name), coalesce(location_id, location_name)
    ) AS key
FROM push_to_talk_members
WHERE
    access_type <> 'BLOCK_MEMBERS'
    AND coalesce(number_position, 0) = 0
    AND (member_location_id <> location_id OR member_location_name <> location_name)
    AND coalesce(member_location_id <> location_id, true)
    AND coalesce(member_location_name <> location_name, true)
