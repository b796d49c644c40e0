"""Metrics of a run, or of a check, for the textfile collector of Prometheus: OpenMetrics text, written atomically.

Names have base units, as OpenMetrics requires; the figures of one run are gauges. Every run writes them at its
end, so that failures are seen as well.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from audit.config import Profile
from audit.errors import AuditError, UsageError, words_of
from audit.files import atomic_file, expand
from audit.redaction import redact
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.manifest import Manifest
from audit.storage.place import Place

if TYPE_CHECKING:
    from prometheus_client import Gauge

log = logging.getLogger(__name__)

#: The collector runs as another user, and nothing in the file is secret.
_READABLE = 0o644


class Gauges:
    """Gauges of one file.

    The collector refuses all files if two of them have the same series, so each series of a profile has its name.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, profile: Profile) -> None:
        from prometheus_client import CollectorRegistry

        self.path = path
        self._labels = {} if profile == Profile() else {"profile": profile.name}
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}

    def set(self, name: str, text: str, value: float, **labels: str) -> None:
        """Set a gauge.

        Args:
            name: its name after `webex_audit_`.
            text: its description.
            value: the value.
            labels: the labels of this value; each value of a gauge has the same.
        """
        from prometheus_client import Gauge

        labels = self._labels | labels
        if name not in self._gauges:
            self._gauges[name] = Gauge(f"webex_audit_{name}", text, list(labels), registry=self._registry)
        metric = self._gauges[name]
        (metric.labels(**labels) if labels else metric).set(value)

    def write(self) -> None:
        """Write the file.

        Raises:
            OSError: the file can't be written.
        """
        from prometheus_client.openmetrics.exposition import generate_latest

        text: str = generate_latest(self._registry).decode()  # type: ignore[no-untyped-call]
        with atomic_file(self.path, _READABLE) as file:
            file.write(redact(text).encode())


@contextmanager
def recorded(metrics_file: str | None, output: Place, profile: Profile) -> Iterator[Callable[[Snapshot, int], None]]:
    """Write the metrics of a run when the block ends, however it ends.

    Args:
        metrics_file: path of the file; None for no metrics.
        output: the folder of all snapshots.
        profile: the profile of the run.

    Yields:
        A function that takes the committed snapshot and the exit code.

    Raises:
        UsageError: the file can't be written; raised before the block begins.
    """
    path = checked(metrics_file) if metrics_file else None
    began_s = time.monotonic()
    committed: list[Snapshot] = []
    exit_code = 0

    def record(snapshot: Snapshot, code: int) -> None:
        nonlocal exit_code
        committed.append(snapshot)
        exit_code = code

    try:
        yield record
    except AuditError as error:
        exit_code = error.exit_code
        raise
    except BaseException:
        exit_code = AuditError.exit_code
        raise
    finally:
        if path:
            with _logged(path):
                _write(Gauges(path, profile), committed, output, time.monotonic() - began_s, exit_code)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Log that the file can't be written: the result of the command matters more."""
    try:
        yield
    except (OSError, AuditError) as error:
        log.error("metrics file %s can't be written: %s", path, words_of(error))


def checked(metrics_file: str) -> Path:
    """The path of a metrics file.

    Raises:
        UsageError: the file can't be written.
    """
    path = expand(metrics_file)
    if not path.name or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"metrics file {path} can't be written: name a file in a writable folder")
    return path


def write_check(gauges: Gauges, counts: Mapping[str, int], *, accepted: int, skipped: int) -> None:
    """Write the metrics of a check.

    Args:
        gauges: the file.
        counts: number of open findings by severity; every severity has a number.
        accepted: number of accepted findings.
        skipped: number of rules that could not run.
    """
    gauges.set("last_check_timestamp_seconds", "When the last check ended.", time.time())
    for severity, count in counts.items():
        gauges.set("findings", "Open findings of the last check by severity.", count, severity=severity)
    gauges.set("findings_accepted", "Findings of the last check that an exception or the baseline accepts.", accepted)
    gauges.set("rules_skipped", "Rules of the last check that could not run.", skipped)
    with _logged(gauges.path):
        gauges.write()


def _write(gauges: Gauges, committed: list[Snapshot], output: Place, duration_s: float, exit_code: int) -> None:
    gauges.set("last_run_timestamp_seconds", "When the last run ended.", time.time())
    gauges.set("last_run_duration_seconds", "How long the last run took, in seconds.", duration_s)
    gauges.set("last_run_exit_code", "Exit code of the last run.", exit_code)
    gauges.set("last_run_committed", "Whether the last run committed a snapshot.", len(committed))
    snapshots = list_snapshots(output)
    gauges.set("snapshots", "Snapshots in the output.", len(snapshots))
    if snapshots:
        newest = snapshots[-1].manifest.finished_at.timestamp()
        gauges.set(
            "last_snapshot_timestamp_seconds", "When the last snapshot was finished, even a partial one.", newest
        )
    if complete := [each for each in snapshots if each.manifest.status == "complete"]:
        last = complete[-1].manifest.finished_at.timestamp()
        gauges.set("last_success_timestamp_seconds", "When the last complete snapshot was finished.", last)
    for snapshot in committed:
        _set_committed(gauges, snapshot.manifest)
    gauges.write()


def _set_committed(gauges: Gauges, manifest: Manifest) -> None:
    gauges.set("complete", "Whether every entity has a complete answer.", manifest.status == "complete")
    gauges.set("requests", "Requests made.", manifest.requests.total)
    gauges.set("requests_retried", "Requests that repeated another.", manifest.requests.retried)
    gauges.set("requests_throttled", "Requests answered with 429 or 423.", manifest.requests.throttled)
    for dataset, counts in manifest.outcomes.items():
        for outcome, count in counts.items():
            gauges.set("outcomes", "Entities by outcome.", count, dataset=dataset, outcome=outcome)
    for org in manifest.orgs:
        gauges.set("entities", "Entities of an organization.", org.entities, org_id=org.org_id)
        is_complete = org.status == "complete"
        text = "Whether every entity of an organization has a complete answer."
        gauges.set("organization_complete", text, is_complete, org_id=org.org_id)
    for name, table in manifest.tables.items():
        gauges.set("table_rows", "Rows of a table.", table.rows, table=name)
