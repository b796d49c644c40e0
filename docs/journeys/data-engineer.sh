#!/bin/sh
# The data engineer: tables for other programs, from a folder or an object store.
# usage: data-engineer.sh FOLDER|URI
set -eu
export WEBEX_AUDIT_OUTPUT="$1"

# CSV and JSON, for anything that reads standard input.
webex-audit query --csv "FROM open_rooms" >open-rooms.csv
webex-audit query --json "SELECT outcome, count(*) AS entities FROM coverage GROUP BY ALL" | jq -c '.[]' >outcomes.jsonl
webex-audit check --json | jq -r '.results[].findings[] | [.severity, .rule_id, .entity_name] | @tsv' >findings.tsv

# A join of two snapshots.
webex-audit query --csv "
    SELECT entity_name, was.allow_auto_answer AS was, now.allow_auto_answer AS now
    FROM push_to_talk AS now JOIN previous.push_to_talk AS was USING (org_id, entity_id, entity_name)
    WHERE was.allow_auto_answer IS DISTINCT FROM now.allow_auto_answer" >switched.csv
