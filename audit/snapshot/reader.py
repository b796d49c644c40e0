"""Finding committed snapshots. A reader believes manifests only."""

import logging
from dataclasses import dataclass

from audit.errors import UsageError
from audit.snapshot.manifest import MANIFEST, Manifest, read_manifest
from audit.storage import bucket
from audit.storage.faults import StorageError
from audit.storage.place import Place, at_once, exists, is_dir, place, subfolders

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A committed snapshot: its folder and its manifest."""

    path: Place
    manifest: Manifest


def list_snapshots(output: Place) -> list[Snapshot]:
    """The committed snapshots of an output folder, the oldest first; unreadable ones are logged and left out.

    Raises:
        UsageError: the folder may not be looked into.
    """
    return _scan(output)[0]


def _scan(output: Place) -> tuple[list[Snapshot], dict[str, str]]:
    """The snapshots, the oldest first, and the folders that hold one which can't be read, each with the reason."""
    found: list[Snapshot] = []
    unreadable: dict[str, str] = {}
    folders = _folders(output)
    for folder, read in zip(folders, at_once(_read, folders), strict=True):
        if isinstance(read, Exception):
            log.warning("left out: %s", read)
            unreadable[folder.name] = str(read)
        elif read:
            found.append(read)
    return sorted(found, key=lambda each: (each.manifest.started_at, each.manifest.snapshot_id)), unreadable


def _read(folder: Place) -> Snapshot | Exception | None:
    try:
        return Snapshot(folder, read_manifest(folder)) if is_committed(folder) else None
    except (UsageError, OSError) as error:
        return error


def is_committed(folder: Place) -> bool:
    """Whether a folder is a snapshot.

    Raises:
        OSError: it may not be looked into.
    """
    return exists(folder / MANIFEST)


def _folders(output: Place) -> list[Place]:
    try:
        return subfolders(output)
    except OSError as error:
        advice = "" if isinstance(error, StorageError) else ": name the folder with --output"
        raise UsageError(f"output {str(output)[:100]}: {error.strerror}{advice}") from None


def find_snapshot(output: Place, name: str) -> Snapshot:
    """The snapshot that a SNAPSHOT argument names: `latest`, `previous`, an id, a path, or a URI.

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
    for path in [place(name)] if bucket.is_uri(name) else [output / name, place(name)]:
        try:
            if is_dir(path):
                return Snapshot(path, read_manifest(path))
        except OSError as error:
            raise UsageError(f"snapshot {str(path)[:100]}: {error.strerror}") from None
    raise UsageError(f"no snapshot {name}: neither an id in {output} nor a folder ('webex-audit snapshots' lists them)")
