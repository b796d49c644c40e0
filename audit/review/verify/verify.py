"""Whether a snapshot is still what was committed: files, tables, coverage, chain, signature."""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from audit.errors import DamagedError, UsageError
from audit.files import sha256_of
from audit.review.memory import bounded_memory
from audit.review.verify.chain import check_chain, lost_manifest, read_record
from audit.review.verify.contents import check_table
from audit.review.verify.coverage import check_coverage
from audit.review.verify.fault import Fault, Note, Verification
from audit.review.verify.signing import SIGNATURE, check_signature, key_id
from audit.snapshot.catalog import Snapshot, find_snapshot, is_committed
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.layout import MANIFEST, is_leftover
from audit.snapshot.manifest import FileEntry, Manifest, read_manifest
from audit.snapshot.staging import open_regular, staged_whole
from audit.storage.place import Place, at_once, subfolders
from audit.text import count_of, printable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify(output: Place, name: str, key: "Ed25519PublicKey | None" = None) -> Verification:
    """Verify the snapshot that a SNAPSHOT argument names.

    Args:
        output: the folder of all snapshots.
        name: `latest`, `previous`, an id, or a path.
        key: the key that must have signed it; None to skip this check.

    Raises:
        UsageError: the snapshot does not exist, or its format is newer.
    """
    everywhere = name in ("latest", "previous")
    damaged = list(_damaged_manifests(output, key)) if everywhere else []
    try:
        snapshot = find_snapshot(output, name)
    except DamagedError as error:
        fault = Fault(MANIFEST, f"is damaged: {error.reason}")
        return Verification(error.path.resolve().parent.name, str(error.path.parent), faults=[fault])
    except UsageError:
        if not any(isinstance(each, Fault) for each in damaged):
            raise
        return _verification(name, str(output), damaged)
    return _verify(snapshot, damaged, key, everywhere=everywhere)


def _damaged_manifests(output: Place, key: "Ed25519PublicKey | None") -> Iterator[Fault | Note]:
    """Report manifests that can't be read, as one of them may be the newest."""
    look = partial(_damaged_manifest, removed=read_record(output, key).ids)
    yield from filter(None, at_once(look, sorted(subfolders(output), key=lambda each: each.name)))


def _damaged_manifest(folder: Place, removed: Collection[str]) -> Fault | Note | None:
    try:
        if not is_committed(folder):
            return lost_manifest(folder, removed)
        read_manifest(folder)
    except DamagedError as error:
        return Fault(f"{folder.name}/{MANIFEST}", f"is damaged: {error.reason}")
    except (UsageError, OSError):
        pass
    return None


def _verify(
    snapshot: Snapshot, damaged: list[Fault | Note], key: "Ed25519PublicKey | None", *, everywhere: bool
) -> Verification:
    with staged_whole(snapshot) as folder, bounded_memory(0):
        manifest = snapshot.manifest
        sha256 = sha256_of(folder / MANIFEST)
        files = list(_check_files(folder, manifest))
        signature = [each for each in files if isinstance(each, Fault) and each.path == SIGNATURE]
        signature = signature or check_signature(folder, manifest, sha256, key)
        chain, links = check_chain(snapshot.path, manifest, sha256, key, everywhere=everywhere)
        at_fault = {each.path for each in files if isinstance(each, Fault)}
        results = [*damaged, *files, *signature, *links, *_check_contents(folder, manifest, at_fault)]
        if not key and (folder / SIGNATURE).exists():
            results.append(
                Note("the snapshot is signed, but who signed it is not checked: name the key with --public-key")
            )
    found = _verification(manifest.snapshot_id, str(snapshot.path), results)
    return msgspec.structs.replace(
        found,
        manifest_sha256=sha256,
        files=sum(len(table.files) for table in manifest.tables.values()),
        tables=len(manifest.tables),
        rows=sum(table.rows for table in manifest.tables.values()),
        chain=chain,
        signed_by=key_id(key) if key and not signature else None,
    )


def _verification(snapshot_id: str, path: str, results: list[Fault | Note]) -> Verification:
    unique = list(dict.fromkeys(results))
    faults = [each for each in unique if isinstance(each, Fault)]
    return Verification(snapshot_id, path, faults=faults, notes=[each for each in unique if isinstance(each, Note)])


def _check_contents(folder: Path, manifest: Manifest, damaged: set[str]) -> Iterator[Fault | Note]:
    """Check the content of the tables, except those with damaged files."""
    if COVERAGE not in manifest.tables:
        yield Fault(MANIFEST, f"has no table {COVERAGE}")
    for name, table in manifest.tables.items():
        if damaged & {file.path for file in table.files}:
            yield Note(f"table {name}: its content is not checked, as some of its files have faults")
            continue
        faults = list(check_table(folder, name, table))
        yield from faults
        if name == COVERAGE and not any(isinstance(each, Fault) for each in faults):
            yield from check_coverage(folder, manifest)


def _check_files(folder: Path, manifest: Manifest) -> Iterator[Fault | Note]:
    """Check that the folder holds the files of the manifest, byte for byte, and no others."""
    found = dict(_walk(folder))
    entries = [file for table in manifest.tables.values() for file in table.files]
    for path, count in Counter(file.path for file in entries).items():
        if count > 1:
            yield Fault(MANIFEST, f"names {path} {count} times")
    for path, is_file in found.items():
        if not is_file:
            yield Fault(path, "is not a regular file, or can't be opened")
    for file in entries:
        if file.path not in found:
            yield Fault(file.path, "is missing")
        elif found[file.path]:
            yield from _check_file(folder / file.path, file)
    yield from _check_others({path for path in found if found[path]} - {file.path for file in entries})


def _check_others(paths: set[str]) -> Iterator[Fault | Note]:
    """Report files that the manifest does not name."""
    others = sorted(paths - {MANIFEST, SIGNATURE})
    leftovers = [path for path in others if is_leftover(path)]
    for path in others:
        if path not in leftovers:
            yield Fault(path, "is not named by the manifest")
    if leftovers:
        count = count_of(len(leftovers), "file is", "files are")
        yield Note(f"{count} left over from the commit; the next run or prune removes them: {printable(leftovers[0])}")


def _check_file(path: Path, file: FileEntry) -> Iterator[Fault]:
    try:
        with open_regular(path) as opened:
            size = opened.seek(0, 2)
            if size != file.bytes:
                yield Fault(file.path, f"has {size} bytes, but the manifest says {file.bytes}")
                return
            opened.seek(0)
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        yield Fault(file.path, f"can't be read: {error.strerror}")
        return
    if sha256 != file.sha256:
        yield Fault(file.path, f"has SHA-256 {sha256}, but the manifest says {file.sha256}")


def _walk(folder: Path) -> Iterator[tuple[str, bool]]:
    """The content of a folder without following links: relative path, and whether it is a regular file."""
    errors: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=errors.append):
        for name in [*names, *(each for each in folders if Path(place, each).is_symlink())]:
            path = Path(place, name)
            yield _text(path.relative_to(folder)), stat.S_ISREG(path.lstat().st_mode)
    for error in errors:
        yield _text(Path(error.filename).relative_to(folder)), False


def _text(path: Path) -> str:
    """A path as printable text: names are bytes that may not be UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def as_data(found: Verification) -> dict[str, Any]:
    """The result for programs."""
    return {"is_verified": not found.faults, **msgspec.to_builtins(found)}


def render(found: Verification) -> str:
    """The result for people: a line for each fault, or one line that says what was verified."""
    if found.faults:
        lines = [printable(f"{fault.path}: {fault.message}") for fault in found.faults]
        count = count_of(len(lines), "fault")
        return "\n".join([*lines, f"not verified: {printable(found.snapshot_id)}, {count}"])
    signed = f", signed by key {found.signed_by}" if found.signed_by else ""
    chain = f", {count_of(len(found.chain), 'earlier snapshot')}" if found.chain else ""
    files, rows, tables = count_of(found.files, "file"), count_of(found.rows, "row"), count_of(found.tables, "table")
    return (
        f"verified {printable(found.snapshot_id)}: {files}, {rows} in {tables}"
        f"{chain}{signed}; {MANIFEST} has SHA-256 {found.manifest_sha256}"
    )
