-- title: A member is no longer among the people of the organization
-- severity: high
-- rationale: The person left, or never belonged to the organization, but the list still names the account. A list that
--   nobody maintains is a list that nobody reviews. The token of a location administrator lists the people of some
--   locations only: then a member of another location is found, too.
-- remedy: If the audit ran with the token of a full or read-only administrator, remove the member from the list. If
--   not, audit with such a token first.
-- tables: push_to_talk_members, manifest.people
-- controls: NIST-800-53 AC-2; NIST-800-171 3.1.1; ISO-27001 A.5.18; SOC2 CC6.2, CC6.3; HIPAA 164.308(a)(3)(ii)(C)
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    concat_ws(
        ' ', 'member', member_display_name, '(' || coalesce(member_email, member_id) || ')', 'is no longer listed'
    ) AS detail,
    member_id AS key
FROM push_to_talk_members
WHERE
    coalesce(member_type, 'PEOPLE') = 'PEOPLE'
    AND coalesce(number_position, 0) = 0
    AND org_id IN (SELECT org_id FROM manifest.people)
    AND NOT EXISTS (
        SELECT 1 FROM manifest.people
        WHERE people.org_id = push_to_talk_members.org_id AND person_id = member_id
    )
    AND member_id IS NOT NULL
