-- title: A member has no valid number
-- severity: low
-- rationale: Webex recognizes a member by the number of the call. A member without a number, or with one that no
--   country has, may be unable to call or, on a block list, may not be blocked.
-- remedy: Give the member a number in Control Hub, correct the number, or remove the member from the list.
-- tables: push_to_talk_members
-- controls: NIST-800-53 AC-3; NIST-800-171 3.1.2; ISO-27001 A.5.15
-- An extension alone is a number too: not everyone has a direct number.
SELECT
    org_id, entity_type, entity_id,
    any_value(entity_name) AS entity_name,
    any_value(location_name) AS location_name,
    concat_ws(
        ' ', 'member', any_value(member_display_name),
        '(' || coalesce(any_value(member_email), any_value(member_id)) || ')',
        coalesce(
            'has only the invalid number '
            || string_agg(nullif(number_external, ''), ', ' ORDER BY number_position),
            'has no number'
        )
    ) AS detail,
    concat_ws(
        ' ', coalesce(any_value(member_id), any_value(member_email), any_value(member_display_name)),
        string_agg(nullif(number_external, ''), ' ' ORDER BY number_external)
    ) AS key
FROM push_to_talk_members
GROUP BY org_id, entity_type, entity_id, member_position
HAVING
    NOT coalesce(bool_or(number_valid), false)
    AND (
        count(nullif(number_external, '')) > 0
        OR count(coalesce(nullif(number_extension, ''), nullif(number_esn, ''))) = 0
    )
