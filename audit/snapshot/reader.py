"""Finding committed snapshots. A reader believes manifests only."""

import logging
from dataclasses import dataclass
from pathlib import Path

from audit.errors import UsageError
from audit.snapshot.manifest import MANIFEST, Manifest, read_manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A committed snapshot: its folder and its manifest."""

    path: Path
    manifest: Manifest


def list_snapshots(output: Path) -> list[Snapshot]:
    """The committed snapshots of an output folder, the oldest first; unreadable ones are logged and left out."""
    found = []
    for path in output.glob(f"*/{MANIFEST}"):
        try:
            found.append(Snapshot(path.parent, read_manifest(path.parent)))
        except UsageError as error:
            log.warning("left out: %s", error)
    return sorted(found, key=lambda each: (each.manifest.started_at, each.manifest.snapshot_id))


def find_snapshot(output: Path, name: str) -> Snapshot:
    """The snapshot that a SNAPSHOT argument names: `latest`, `previous`, an id, or a path.

    Raises:
        UsageError: there is no such snapshot.
    """
    if name in ("latest", "previous"):
        age = 1 if name == "latest" else 2
        snapshots = list_snapshots(output)
        if len(snapshots) < age:
            raise UsageError(f"no {name} snapshot: {output} holds {len(snapshots)}; name the folder with --output")
        return snapshots[-age]
    for path in (output / name, Path(name)):
        if path.is_dir():
            return Snapshot(path, read_manifest(path))
    raise UsageError(f"no snapshot {name}: neither an id in {output} nor a folder ('webex-audit snapshots' lists them)")
