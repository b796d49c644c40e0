"""What a snapshot says nothing about: an entry of the exceptions about it is unknown, not stale."""

from dataclasses import dataclass

import duckdb

from audit.review.check.acceptance import Acceptance
from audit.review.tables import table_names
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.manifest import Manifest


@dataclass(frozen=True)
class Unread:
    """What was not read.

    Attributes:
        entities: ids of the entities without a complete answer.
        organizations: UUIDs of the organizations that were not read in full.
        judged: UUIDs of all organizations that were asked for; None if all that the token manages were.
    """

    entities: frozenset[str]
    organizations: frozenset[str]
    judged: frozenset[str] | None

    def concerns(self, entry: Acceptance) -> bool:
        """Whether an entry without a finding may be about what was not read."""
        is_elsewhere = bool(entry.org_id) and self.judged is not None and entry.org_id not in self.judged
        return is_elsewhere or entry.org_id in self.organizations or entry.entity_id in self.entities


def unread_of(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> Unread:
    """What a snapshot says nothing about.

    Args:
        connection: has the tables of the snapshot (`audit.review.tables.open_tables`).
        manifest: its manifest.
    """
    found: list[tuple[str]] = []
    if COVERAGE in table_names(connection):
        found = connection.execute(
            f"SELECT DISTINCT entity_id FROM {COVERAGE} "  # noqa: S608
            "WHERE NOT list_contains(getvariable('complete_outcomes'), outcome)"
        ).fetchall()
    organizations = {org.org_id for org in manifest.orgs if not (org.is_audited and org.is_listed)}
    judged = None if manifest.scope.organizations == "all" else frozenset(org.org_id for org in manifest.orgs)
    return Unread(frozenset(row[0] for row in found), frozenset(organizations), judged)
