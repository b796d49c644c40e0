-- title: A third or more of the members are gone since the snapshot before
-- severity: medium
-- rationale: A list loses this many members by mistake, or because an answer was cut off, more often than on purpose.
-- remedy: Ask whoever answers for the room; 'webex-audit diff' names the members who are gone.
-- tables: push_to_talk, push_to_talk_members, previous.push_to_talk_members
-- controls: NIST-800-53 AC-2; NIST-800-171 3.1.1; ISO-27001 A.5.18; SOC2 CC6.2, CC6.3
WITH
    before AS (
        SELECT DISTINCT org_id, entity_type, entity_id, member_id
        FROM previous.push_to_talk_members
        WHERE member_id IS NOT NULL
    ),
    now AS (SELECT DISTINCT org_id, entity_type, entity_id, member_id FROM push_to_talk_members),
    lost AS (
        SELECT
            before.org_id, before.entity_type, before.entity_id,
            count(*) AS members,
            count(*) FILTER (now.member_id IS NULL) AS gone
        FROM before LEFT JOIN now USING (org_id, entity_type, entity_id, member_id)
        GROUP BY ALL
    )
-- Both snapshots must have the settings: an entity that was not read has lost nobody.
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    format(
        '{} of {} {} {} gone', gone, members, if(members = 1, 'member', 'members'), if(gone = 1, 'is', 'are')
    ) AS detail
FROM lost JOIN push_to_talk USING (org_id, entity_type, entity_id)
WHERE gone * 3 >= members AND gone > 0
