"""The chain of snapshots: each manifest names the SHA-256 of the one before it."""

from collections.abc import Iterator

from audit.errors import UsageError
from audit.review.fault import Fault, Note
from audit.snapshot.journal import JOURNAL
from audit.snapshot.manifest import MANIFEST, SNAPSHOT_ID, Manifest, read_manifest
from audit.snapshot.prune import REMOVING
from audit.snapshot.reader import list_snapshots
from audit.storage.place import Place, sha256_of


def lost_manifest(folder: Place) -> Fault | None:
    """What to tell of the folder of a snapshot whose manifest is gone, and neither unwritten nor being pruned."""
    marks = (JOURNAL, REMOVING, MANIFEST)
    is_one = SNAPSHOT_ID.fullmatch(folder.name) and folder.is_dir() and any(folder.iterdir())
    if is_one and not any((folder / name).exists() for name in marks):
        return Fault(f"{folder.name}/{MANIFEST}", "is missing, and other files of the snapshot are still here")
    return None


def check_chain(folder: Place, manifest: Manifest, manifest_sha256: str) -> tuple[list[str], list[Fault | Note]]:
    """Check the manifests before and behind a snapshot, as far as its output folder still has them.

    Args:
        folder: the snapshot's folder.
        manifest: its manifest.
        manifest_sha256: SHA-256 of the manifest as it lies there.

    Returns:
        The ids of the snapshots before it, the newest first, and what is to be told.
    """
    output, name = folder.resolve().parent, folder.resolve().name
    told: list[Fault | Note] = []
    if SNAPSHOT_ID.fullmatch(name) and name != manifest.snapshot_id:
        told.append(Fault(MANIFEST, f"is of snapshot {manifest.snapshot_id}, and its folder is {name}"))
    told += _behind(output, manifest.snapshot_id, manifest_sha256)
    chain: list[str] = []
    told += _before(output, manifest, chain)
    return chain, told


def _behind(output: Place, snapshot_id: str, manifest_sha256: str) -> Iterator[Fault]:
    """What later snapshots say of this one: nothing else vouches for a manifest that is not signed."""
    for later in list_snapshots(output):
        named = later.manifest.previous
        if named and named.snapshot_id == snapshot_id and named.manifest_sha256 != manifest_sha256:
            told = f"SHA-256 {manifest_sha256}, and {later.manifest.snapshot_id} names {named.manifest_sha256}"
            yield Fault(MANIFEST, f"has {told}")


def _before(output: Place, manifest: Manifest, chain: list[str]) -> Iterator[Fault | Note]:
    while previous := manifest.previous:
        one, before = manifest.snapshot_id, previous.snapshot_id
        path = f"{before}/{MANIFEST}"
        if not SNAPSHOT_ID.fullmatch(before) or before in {*chain, one}:
            yield Fault(MANIFEST, f"of {one} names {before} as the snapshot before it, which can't be")
            return
        try:
            found = sha256_of(output / path)
            chain.append(before)
            if found != previous.manifest_sha256:
                yield Fault(path, f"has SHA-256 {found}, and {one} names {previous.manifest_sha256}")
            manifest = read_manifest(output / before)
        except FileNotFoundError:
            if lost := lost_manifest(output / before):
                yield lost
                return
            yield Note(f"{before}, the snapshot before {one}, is no longer here: the chain is checked no further")
            return
        except OSError as error:
            yield Fault(path, f"can't be read: {error.strerror}")
            return
        except UsageError as error:
            yield Note(f"the chain is checked no further: {error}")
            return
