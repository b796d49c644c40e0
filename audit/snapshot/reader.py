"""Finding committed snapshots. A reader believes manifests only."""

import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from audit.errors import UsageError
from audit.files import expand
from audit.snapshot.manifest import MANIFEST, Manifest, read_manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A committed snapshot: its folder and its manifest."""

    path: Path
    manifest: Manifest


def list_snapshots(output: Path) -> list[Snapshot]:
    """The committed snapshots of an output folder, the oldest first; unreadable ones are logged and left out.

    Raises:
        UsageError: the folder may not be looked into.
    """
    return _scan(output)[0]


def _scan(output: Path) -> tuple[list[Snapshot], dict[str, str]]:
    """The snapshots, the oldest first, and the folders that hold one which can't be read, each with the reason."""
    found: list[Snapshot] = []
    unreadable: dict[str, str] = {}
    for folder in _folders(output):
        try:
            if is_committed(folder):
                found.append(Snapshot(folder, read_manifest(folder)))
        except (UsageError, OSError) as error:
            log.warning("left out: %s", error)
            unreadable[folder.name] = str(error)
    return sorted(found, key=lambda each: (each.manifest.started_at, each.manifest.snapshot_id)), unreadable


def is_committed(folder: Path) -> bool:
    """Whether a folder is a snapshot.

    Raises:
        OSError: it may not be looked into.
    """
    try:
        (folder / MANIFEST).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _folders(output: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(output)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"output {str(output)[:100]}: {error.strerror}: name the folder with --output") from None


def find_snapshot(output: Path, name: str) -> Snapshot:
    """The snapshot that a SNAPSHOT argument names: `latest`, `previous`, an id, or a path.

    Raises:
        UsageError: there is no such snapshot.
    """
    if name in ("latest", "previous"):
        age = 1 if name == "latest" else 2
        snapshots, unreadable = _scan(output)
        newest = max(unreadable, default="")
        if newest and (not snapshots or newest > snapshots[-1].path.name):
            raise UsageError(f"the newest snapshot can't be read: {unreadable[newest]}; name another one by its id")
        if len(snapshots) < age:
            raise UsageError(f"no {name} snapshot: {output} holds {len(snapshots)}; name the folder with --output")
        return snapshots[-age]
    for path in (output / name, expand(name)):
        try:
            if stat.S_ISDIR(path.stat().st_mode):
                return Snapshot(path, read_manifest(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UsageError(f"snapshot {str(path)[:100]}: {error.strerror}") from None
    raise UsageError(f"no snapshot {name}: neither an id in {output} nor a folder ('webex-audit snapshots' lists them)")
