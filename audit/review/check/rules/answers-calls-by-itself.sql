-- title: A device answers ordinary calls by itself
-- severity: high
-- rationale: Auto answer of ordinary calls opens the device to whoever can dial its number, without anyone in the room
--   picking up. No list of callers limits it, and it works whether Push-to-Talk is on or off.
-- remedy: In Control Hub, in the calling settings of the room, turn auto answer off. If the setting is wanted, accept it
--   with an exception that names who answers for it.
-- tables: answer_settings
-- controls: NIST-800-53 SC-15, AC-3, AC-6; NIST-800-171 3.13.12; ISO-27001 A.5.15, A.8.9; SOC2 CC6.1, CC6.6;
--   HIPAA 164.310(c), 164.530(c)
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    'answers ordinary calls by itself' || CASE
        WHEN preferred_answer_endpoint_required THEN ', at ' || coalesce(
            nullif(preferred_answer_endpoint_type, 'NONE'), 'a preferred endpoint, but none is set'
        )
        ELSE ''
    END AS detail
FROM answer_settings
WHERE auto_answer_enabled
