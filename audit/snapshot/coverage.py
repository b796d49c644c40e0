"""The coverage table: the outcome of each entity in each dataset."""

import pyarrow as pa

from audit.columns import IDENTITY_SCHEMA, column

COVERAGE = "coverage"

_UNASKED = "it was not asked"

_ORG_ID, *_OF_ENTITY = IDENTITY_SCHEMA

COVERAGE_SCHEMA = pa.schema(
    [
        _ORG_ID,
        column("dataset", pa.string(), "what was asked for"),
        *_OF_ENTITY,
        column("site_url", pa.string(), "the meeting site that was asked for",
               "settings are not of a site, or the user's sites could not be read"),
        column("outcome", pa.string(), "what became of it: see the outcomes in docs/snapshots.md"),
        column("http_status", pa.int32(), "status of the last answer", f"{_UNASKED}, or nothing came"),
        column("error_message", pa.string(), "what the API or the network said, or why it was not asked",
               "the outcome is `ok`"),
        column("tracking_id", pa.string(), "the API's name for the last answer (header `TrackingID`)",
               f"{_UNASKED}, or none was sent"),
        column("attempts", pa.int32(), "requests made for the last answer; 0 where it was not asked"),
        column("fetched_at", pa.timestamp("us", "UTC"), "when the last answer came", _UNASKED),
    ]
)  # fmt: skip

#: Columns about the course of a run, not about what it found. Two runs over an unchanged organization differ in
#: them, so the digest leaves them out; the SHA-256 of the files covers them.
VOLATILE_COLUMNS = frozenset({"tracking_id", "attempts", "fetched_at", "connection_status", "last_seen"})
