"""The earlier snapshot that a run builds on: a private copy, verified while it is made.

A run reads the rows of an earlier snapshot for as long as it crawls, and others may write to the output meanwhile. So
it reads a copy that nobody else can change: what was verified is what is carried over.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from audit.errors import StoppedError, UsageError
from audit.files import make_dir, private_file, scratch_folder
from audit.snapshot.catalog import Snapshot
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import MAX_BYTES, FileEntry, Manifest, SignatureState, read_manifest
from audit.snapshot.proof.fault import Fault, Note
from audit.snapshot.proof.files import check_names, compare_file, entries_of
from audit.snapshot.proof.signing import SIGNATURE, check_signature, key_id, unwrap
from audit.snapshot.proof.tables import check_tables
from audit.storage.at_once import at_once
from audit.storage.content import read_regular, read_small
from audit.storage.place import Place
from audit.text import printable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True)
class Source(Snapshot):
    """A verified copy of a snapshot on this machine.

    Attributes:
        origin: where the snapshot itself lies.
        manifest_sha256: SHA-256 of its manifest.
        signature: what is known of its signature.
    """

    path: Path
    origin: Place
    manifest_sha256: str
    signature: SignatureState = "not checked"


@contextmanager
def verified(snapshot: Snapshot, key: "Ed25519PublicKey | None" = None) -> Iterator[Source]:
    """A copy of a snapshot that is what was committed, by the rules of `verify`; removed at the end.

    The Parquet files that its manifest names are copied; its CSV files are compared only.

    Args:
        snapshot: the snapshot.
        key: the key of this run; None if it signs nothing.

    Raises:
        UsageError: the snapshot is not what was committed, or can't be read.
        StoppedError: the disk is full.
    """
    with _copied(snapshot) as (source, faults):
        signature, forged = _judge_signature(source, key)
        _refuse(source, [*faults, *forged])
        _refuse(source, [each for each in _check_parquet(source) if isinstance(each, Fault)])
        yield Source(source.path, source.manifest, source.origin, source.manifest_sha256, signature)


@contextmanager
def fetched(snapshot: Snapshot, manifest_sha256: str) -> Iterator[Source]:
    """A copy of a snapshot that another machine of the run has verified.

    Args:
        snapshot: the snapshot.
        manifest_sha256: SHA-256 of the manifest that was verified there.

    Raises:
        UsageError: this machine sees other files than those that were verified.
        StoppedError: the disk is full.
    """
    with _copied(snapshot) as (source, faults):
        if source.manifest_sha256 != manifest_sha256:
            faults.append(Fault(MANIFEST, f"has SHA-256 {source.manifest_sha256}, but {manifest_sha256} was verified"))
        _refuse(source, faults)
        yield source


@contextmanager
def _copied(snapshot: Snapshot) -> Iterator[tuple[Source, list[Fault]]]:
    """A copy of a snapshot, and what differs from its manifest."""
    place = snapshot.path
    with scratch_folder() as temporary:
        folder = Path(temporary, snapshot.manifest.snapshot_id)
        try:
            make_dir(folder)
            data = _copy_small(place, folder, MANIFEST)
            _copy_small(place, folder, SIGNATURE)
            manifest = read_manifest(folder)
            faults = list(check_names(manifest))
            if manifest.snapshot_id != snapshot.manifest.snapshot_id:
                faults.append(Fault(MANIFEST, f"is of snapshot {manifest.snapshot_id} by now"))
            copied = at_once(partial(_copy, place, folder), entries_of(manifest) if not faults else [])
            faults += chain.from_iterable(copied)
        except OSError as error:
            raise StoppedError(
                f"{place} can't be copied to {temporary}: {error.strerror}: make room, or set TMPDIR"
            ) from None
        yield Source(folder, manifest, place, hashlib.sha256(data).hexdigest()), faults


def _copy_small(place: Place, folder: Path, name: str) -> bytes:
    data = read_small(place / name, MAX_BYTES)
    if data is not None:
        with private_file(folder / name) as file:
            file.write(data)
    return data or b""


def _copy(place: Place, folder: Path, file: FileEntry) -> list[Fault]:
    """Copy a file if it is Parquet, and compare it with its entry."""
    path = PurePosixPath(file.path)
    if "\0" in file.path or path.is_absolute() or ".." in path.parts or str(path) != file.path:
        return [Fault(MANIFEST, f"{file.path!r} is not a path inside the snapshot")]
    target = folder / file.path
    make_dir(target.parent)
    digest, size = hashlib.sha256(), 0
    with private_file(target) if path.suffix == ".parquet" else nullcontext() as copy:
        try:
            for block in _blocks(place, file.path):
                size += len(block)
                digest.update(block)
                if size > file.bytes:
                    break
                if copy:
                    copy.write(block)
        except FileNotFoundError:
            return [Fault(file.path, "is missing")]
    return list(compare_file(file, size, digest.hexdigest()))


def _blocks(place: Place, relative: str) -> Iterator[bytes]:
    try:
        yield from read_regular(place, relative)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{place / relative}: {error.strerror}") from None


def _judge_signature(source: Source, key: "Ed25519PublicKey | None") -> tuple[SignatureState, list[Fault]]:
    """Say whose signature a snapshot has; without the signature of this key, a snapshot may still be in order.

    A signature that is there, and does not hold, is a fault.
    """
    folder, manifest, sha256 = source.path, source.manifest, source.manifest_sha256
    if not (folder / SIGNATURE).exists():
        return "missing" if key else "not checked", []
    faults = check_signature(folder, manifest, sha256, None)
    if key is None or faults:
        return "not checked", faults
    envelope, _ = unwrap((folder / SIGNATURE).read_bytes())
    if all(each.keyid != key_id(key) for each in envelope.signatures):
        return "of another key", []
    return "good", check_signature(folder, manifest, sha256, key)


def _check_parquet(source: Source) -> Iterator[Fault | Note]:
    """Check what the copied files hold; nothing for a snapshot without Parquet, of which no row can be carried over."""
    tables: Mapping[str, list[FileEntry]] = {
        name: [file for file in table.files if file.path.endswith(".parquet")]
        for name, table in source.manifest.tables.items()
    }
    if any(tables.values()):
        yield from check_tables(source.path, _with_files(source.manifest, tables))


def _with_files(manifest: Manifest, files: Mapping[str, list[FileEntry]]) -> Manifest:
    tables = {name: msgspec.structs.replace(table, files=files[name]) for name, table in manifest.tables.items()}
    return msgspec.structs.replace(manifest, tables=tables)


def _refuse(source: Source, faults: list[Fault]) -> None:
    if faults:
        first = printable(f"{faults[0].path}: {faults[0].message}")
        raise UsageError(
            f"snapshot {source.manifest.snapshot_id} is damaged at {first}; nothing of it is carried over: "
            "'webex-audit verify' shows all faults; retry another snapshot, or run without --retry-failed"
        )
