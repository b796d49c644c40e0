#!/bin/sh
# The author of a rule: writes it, tries it, accepts what is there, and has the build fail on what is new.
# usage: rule-author.sh [FOLDER]
set -eu
export WEBEX_AUDIT_OUTPUT="${1:-snapshots}"

mkdir rules
cat >rules/long-list.sql <<END
-- title: A workspace lets more than three members call
-- severity: medium
-- rationale: Nobody maintains a long list.
-- remedy: Shorten the list.
-- tables: push_to_talk
-- controls: NIST-800-53 AC-6
SELECT
    org_id, entity_type, entity_id, entity_name, location_name,
    format('{} members may call', member_count) AS detail
FROM push_to_talk
WHERE access_type = 'ALLOW_MEMBERS' AND member_count > 3
END

# What it finds.
webex-audit check --rules rules --rule long-list || test $? -eq 1

# Today's findings are accepted; from now on, a build fails on what is new.
webex-audit check --rules rules --rule long-list --write-baseline baseline.toml
webex-audit check --rules rules --rule long-list --baseline baseline.toml --fail-on medium --format junit >junit.xml
