"""What differs from the approved state, for the report: bounded, the rooms that open more than approved first."""

from dataclasses import dataclass

import duckdb

from audit.review.approval import add_approval, create_no_approval, unjudged_words
from audit.review.report.rows import fetch, fetch_dicts
from audit.snapshot.approvals import Approval
from audit.snapshot.catalog import Approved
from audit.snapshot.manifest import Manifest, SignatureState

#: The most rooms that the report lists; `check` has all.
MAX_ROOMS = 100

_COUNTS = """
SELECT count(*) FILTER (state = 'approved') AS approved, count(*) FILTER (is_open) AS opened,
       count(*) FILTER (state = 'differs' AND NOT is_open) AS narrower,
       count(*) FILTER (state = 'added' AND NOT is_open) AS added, count(*) FILTER (state = 'unknown') AS unknown
FROM approval
"""
_ROOMS = """
WITH named AS (
    SELECT org_id, entity_type, entity_id, max(entity_name) AS entity_name, max(location_name) AS location_name,
           bool_or(opens AND hears) AS hears
    FROM way_approval GROUP BY ALL
)
SELECT org_id, entity_type, entity_id, entity_name, location_name, is_open, detail
FROM approval JOIN named USING (org_id, entity_type, entity_id)
WHERE is_open OR state = 'differs'
ORDER BY NOT is_open, NOT hears, entity_name, org_id, entity_type, entity_id LIMIT ?
"""


@dataclass(frozen=True)
class DifferingRoom:
    """A room that differs from the approved state: `is_open` if it opens more."""

    org_id: str
    entity_type: str
    entity_id: str
    entity_name: str | None
    location_name: str | None
    is_open: bool
    detail: str


@dataclass(frozen=True)
class SinceApproval:
    """The snapshot compared with the approved state.

    Attributes:
        approval: who approved what, when and why.
        signature: what is known of the signature of the approval.
        approved: number of rooms that are as approved.
        opened, narrower: number of rooms that open more, and of those that only open less.
        added: number of other rooms that are new since the approval.
        unknown: number of rooms that either snapshot does not know.
        unjudged: which open rooms the approved snapshot can't judge, and why.
        rooms: the first rooms that differ, those that open more first.
    """

    approval: Approval
    signature: SignatureState
    approved: int
    opened: int
    narrower: int
    added: int
    unknown: int
    unjudged: list[str]
    rooms: list[DifferingRoom]

    @property
    def signed(self) -> str:
        """What is known of the signature."""
        if self.signature == "good":
            return "good, by the key of this machine"
        if self.approval.envelope is None:
            return "not signed: whoever may write to the output could have recorded this approval"
        if self.signature == "of another key":
            return "by a key other than that of this machine"
        return "signed; the report does not check by whom: webex-audit verify approved --public-key does"

    @property
    def differing(self) -> int:
        """Number of rooms that differ."""
        return self.opened + self.narrower


def find_since_approval(
    connection: duckdb.DuckDBPyConnection, manifest: Manifest, approved: Approved | None
) -> SinceApproval | None:
    """Compare with the approved state, and leave the tables of `audit.review.approval`.

    The table `approval` is empty if nothing is approved.

    Args:
        connection: from `audit.review.tables.open_tables`, with the approved snapshot.
        manifest: manifest of the snapshot.
        approved: the approved snapshot, if there is one.
    """
    if approved is None:
        create_no_approval(connection)
        return None
    add_approval(connection, manifest, approved.manifest)
    (counts,) = fetch_dicts(connection, _COUNTS)
    rooms = fetch(connection, DifferingRoom, _ROOMS, [MAX_ROOMS])
    unjudged = unjudged_words(connection)
    return SinceApproval(approved.approval, approved.signature, unjudged=unjudged, rooms=rooms, **counts)
