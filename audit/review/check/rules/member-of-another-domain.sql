-- title: A member who may call has an email domain that is not allowed
-- severity: high
-- rationale: Email addresses of other domains belong to guests, contractors or companies that were sold: people whom
--   nobody meant to let into a room.
-- remedy: Remove the member from the list, or add the domain to check.allowed_domains.
-- tables: push_to_talk_members
-- settings: check.allowed_domains
-- controls: NIST-800-53 AC-3, AC-6; NIST-800-171 3.1.5; ISO-27001 A.5.15; SOC2 CC6.3; HIPAA 164.308(a)(4)
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    concat_ws(' ', 'member', member_display_name, 'has the email address', member_email) AS detail,
    concat_ws(
        ' ', coalesce(member_id, member_email, member_display_name), lower(split_part(member_email, '@', -1))
    ) AS key
FROM push_to_talk_members
WHERE
    access_type <> 'BLOCK_MEMBERS'
    AND coalesce(number_position, 0) = 0
    AND member_email <> ''
    AND NOT list_contains(
        [lower(domain) FOR domain IN getvariable('allowed_domains')],
        lower(split_part(member_email, '@', -1))
    )
