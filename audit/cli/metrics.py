"""Metrics of a run for the textfile collector of Prometheus: OpenMetrics text, written atomically.

Names have base units, as OpenMetrics requires; the figures of one run are gauges. Every run writes them at its
end, so that failures are seen as well.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.errors import AuditError, UsageError, words_of
from audit.files import atomic_file, expand
from audit.redaction import redact
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.storage.place import Place

log = logging.getLogger(__name__)

#: The collector runs as another user, and nothing in the file is secret.
_READABLE = 0o644


@contextmanager
def recorded(metrics_file: str | None, output: Place) -> Iterator[Callable[[Snapshot], None]]:
    """Write the metrics of a run when the block ends, however it ends.

    Args:
        metrics_file: path of the file; None for no metrics.
        output: the folder of all snapshots.

    Yields:
        A function that takes the committed snapshot.

    Raises:
        UsageError: the file can't be written; raised before the block begins.
    """
    path = _checked(metrics_file) if metrics_file else None
    began_s = time.monotonic()
    committed: list[Snapshot] = []
    exit_code = 0
    try:
        yield committed.append
    except AuditError as error:
        exit_code = error.exit_code
        raise
    except BaseException:
        exit_code = AuditError.exit_code
        raise
    finally:
        if path:
            try:
                _write(path, committed, output, time.monotonic() - began_s, exit_code)
            except (OSError, AuditError) as error:
                # The result of the run matters more.
                log.error("metrics file %s can't be written: %s", path, words_of(error))


def _checked(metrics_file: str) -> Path:
    path = expand(metrics_file)
    if not path.name or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"metrics file {path} can't be written: name a file in a writable folder")
    return path


def _write(path: Path, committed: list[Snapshot], output: Place, duration_s: float, exit_code: int) -> None:
    from prometheus_client import CollectorRegistry, Gauge
    from prometheus_client.openmetrics.exposition import generate_latest

    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}

    def gauge(name: str, text: str, value: float, **labels: str) -> None:
        if name not in gauges:
            gauges[name] = Gauge(f"webex_audit_{name}", text, list(labels), registry=registry)
        metric = gauges[name]
        (metric.labels(**labels) if labels else metric).set(value)

    gauge("last_run_timestamp_seconds", "When the last run ended.", time.time())
    gauge("last_run_duration_seconds", "How long the last run took, in seconds.", duration_s)
    gauge("last_run_exit_code", "Exit code of the last run; 0 for a partial snapshot.", exit_code)
    gauge("last_run_committed", "Whether the last run committed a snapshot.", len(committed))
    complete = [each for each in list_snapshots(output) if each.manifest.status == "complete"]
    if complete:
        last = complete[-1].manifest.finished_at.timestamp()
        gauge("last_success_timestamp_seconds", "When the last complete snapshot was finished.", last)
    for snapshot in committed:
        manifest = snapshot.manifest
        gauge("complete", "Whether every entity has a complete answer.", manifest.status == "complete")
        gauge("requests", "Requests made.", manifest.requests.total)
        gauge("requests_retried", "Requests that repeated another.", manifest.requests.retried)
        gauge("requests_throttled", "Requests answered with 429 or 423.", manifest.requests.throttled)
        for dataset, counts in manifest.outcomes.items():
            for outcome, count in counts.items():
                gauge("outcomes", "Entities by outcome.", count, dataset=dataset, outcome=outcome)
        for org in manifest.orgs:
            gauge("entities", "Entities of an organization.", org.entities, org_id=org.org_id)
            is_complete = org.status == "complete"
            gauge(
                "organization_complete",
                "Whether every entity of an organization has a complete answer.",
                is_complete,
                org_id=org.org_id,
            )
        for name, table in manifest.tables.items():
            gauge("table_rows", "Rows of a table.", table.rows, table=name)
    with atomic_file(path, _READABLE) as file:
        file.write(redact(generate_latest(registry).decode()).encode())  # type: ignore[no-untyped-call]
