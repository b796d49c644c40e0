"""The coverage table: what became of each entity in each dataset."""

import pyarrow as pa

COVERAGE = "coverage"

COVERAGE_SCHEMA = pa.schema(
    [
        ("org_id", pa.string()),
        ("dataset", pa.string()),
        ("entity_type", pa.string()),
        ("entity_id", pa.string()),
        ("entity_name", pa.string()),
        ("location_id", pa.string()),
        ("location_name", pa.string()),
        ("site_url", pa.string()),
        ("outcome", pa.string()),
        ("http_status", pa.int32()),
        ("error_message", pa.string()),
        ("tracking_id", pa.string()),
        ("attempts", pa.int32()),
        ("fetched_at", pa.timestamp("us", "UTC")),
    ]
)

#: Columns that tell how a run went and not what it found: two runs over an unchanged organization
#: differ in them, so the digest leaves them out (the files' SHA-256 covers them).
VOLATILE_COLUMNS = frozenset({"tracking_id", "attempts", "fetched_at"})
