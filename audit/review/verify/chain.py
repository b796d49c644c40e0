"""The chain of snapshots: each manifest names the SHA-256 of the one before it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.errors import DamagedError, UsageError
from audit.review.verify.signed_removals import check_removed
from audit.snapshot.catalog import Snapshot, scan
from audit.snapshot.chain import Break, Chain, Link
from audit.snapshot.layout import JOURNAL, MANIFEST, REMOVED, REMOVING, SNAPSHOT_ID, is_leftover
from audit.snapshot.manifest import Manifest
from audit.snapshot.proof.fault import Fault, Note
from audit.snapshot.removed import Removed, has_record, read_removed
from audit.storage.content import sha256_of
from audit.storage.place import Place
from audit.text import count_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True)
class Record:
    """The snapshots that an output records as removed.

    Attributes:
        entries: the entries that count: all, or those that the key has signed.
        others: ids of the entries that do not count.
        faults: what is wrong with the record or its signature.
    """

    entries: list[Removed]
    others: frozenset[str]
    faults: list[Fault]

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the entries that count."""
        return frozenset(each.snapshot_id for each in self.entries)

    def digests_of(self, snapshot_id: str) -> list[str]:
        """SHA-256 of each manifest that was pruned under an id."""
        of_id = [each.manifest_sha256 for each in self.entries if each.snapshot_id == snapshot_id]
        return sorted(filter(None, of_id))


def read_record(output: Place, key: "Ed25519PublicKey | None") -> Record:
    """Read and check the record of the snapshots that were removed from an output.

    Args:
        output: the folder of all snapshots.
        key: the key that must have signed the entries; None to accept all entries.
    """
    try:
        everything = read_removed(output)
    except DamagedError as error:
        return Record([], frozenset(), [Fault(REMOVED, f"is damaged: {error.reason}")])
    except UsageError as error:
        return Record([], frozenset(), [Fault(REMOVED, f"can't be read: {error}")])
    entries, faults = check_removed(output, everything, key) if key else (everything, [])
    return Record(entries, frozenset(each.snapshot_id for each in {*everything} - {*entries}), faults)


def lost_manifest(folder: Place, removed: Collection[str]) -> Fault | Note | None:
    """Report a snapshot's folder without a manifest, unless the manifest is not written yet or is being pruned.

    Args:
        folder: the folder.
        removed: ids of the snapshots that are recorded as removed or given up.
    """
    marks = (JOURNAL, REMOVING, MANIFEST)
    is_one = SNAPSHOT_ID.fullmatch(folder.name) and folder.is_dir() and any(folder.iterdir())
    if not is_one or any((folder / name).exists() for name in marks):
        return None
    if all(is_leftover(each.name) for each in folder.iterdir()):
        return None  # the rest of a draft that is gone
    if folder.name in removed:
        return Note(
            f"{folder.name} holds stray files and is not a snapshot: {REMOVED} says that it was removed or given up"
        )
    return Fault(f"{folder.name}/{MANIFEST}", "is missing, but other files of the snapshot are still here")


def check_chain(
    folder: Place,
    manifest: Manifest,
    manifest_sha256: str,
    key: "Ed25519PublicKey | None",
    *,
    everywhere: bool,
    is_copy: bool = False,
) -> tuple[list[str], list[Fault | Note]]:
    """Check the manifests before and after a snapshot, and that they form one line.

    Args:
        folder: the snapshot's folder.
        manifest: its manifest.
        manifest_sha256: SHA-256 of the manifest file.
        key: the key that must have signed the record of pruned snapshots; None to accept all entries.
        everywhere: report forks and gaps anywhere in the output, not only those that involve this snapshot.
        is_copy: the user has named a folder that is not one of the output, and so may be a copy of one snapshot.

    Returns:
        The ids of the snapshots before it that are here, the newest first, and the faults and notes.
    """
    output = _read_output(folder, manifest, key, is_copy=is_copy)
    chain = Chain([each.manifest for each in output.found.values()], output.record.entries)
    lineage = list(chain.lineage(manifest.snapshot_id))
    results: list[Fault | Note] = []
    results += output.record.faults
    results += _after(output, manifest.snapshot_id, manifest_sha256)
    results += _before(output.found, lineage)
    own = {link.by for link in lineage}
    for each in chain.breaks():
        if everywhere or each.at in own or own & {*each.by}:
            results += _broken(output, each)
    results += _pruned([link.by for link in lineage if link.by not in output.found])
    return [link.by for link in lineage[1:] if link.by in output.found], results


@dataclass(frozen=True)
class _Output:
    """The manifests of an output.

    Attributes:
        folder: the folder of all snapshots.
        found: the snapshots by id.
        unreadable: by the name of a folder, why its manifest can't be read.
        record: the snapshots that were removed.
        has_record: whether there is a file of removed snapshots.
        is_copy: as for `check_chain`.
    """

    folder: Place
    found: Mapping[str, Snapshot]
    unreadable: Mapping[str, str]
    record: Record
    has_record: bool
    is_copy: bool

    @property
    def is_of_one(self) -> bool:
        """Whether a single snapshot was copied here, so that a gap before it says nothing.

        The output itself looks the same after somebody has removed all snapshots but the newest.
        """
        is_alone = len(self.found) == 1 and not any(map(SNAPSHOT_ID.fullmatch, self.unreadable))
        return self.is_copy and is_alone and not self.has_record


def _read_output(folder: Place, manifest: Manifest, key: "Ed25519PublicKey | None", *, is_copy: bool) -> _Output:
    output = folder.resolve().parent
    record = read_record(output, key)
    found, unreadable = scan(output)
    found[manifest.snapshot_id] = Snapshot(folder, manifest)
    return _Output(output, found, unreadable, record, has_record(output), is_copy)


def _pruned(ids: list[str]) -> Iterator[Note]:
    if ids:
        last = f"last {ids[0]}" if len(ids) > 1 else ids[0]
        count = count_of(len(ids), "earlier snapshot was", "earlier snapshots were")
        yield Note(f"{count} pruned: {last} ({REMOVED})")


def _after(output: _Output, snapshot_id: str, manifest_sha256: str) -> Iterator[Fault]:
    """What later snapshots say about this one: nothing else vouches for an unsigned manifest."""
    links = [Link(each.manifest.snapshot_id, each.manifest.previous) for each in output.found.values()]
    links += [Link(each.snapshot_id, each.previous) for each in output.record.entries]
    for by, named in links:
        if named and named.snapshot_id == snapshot_id and named.manifest_sha256 != manifest_sha256:
            yield _other_sha256(MANIFEST, manifest_sha256, by, named.manifest_sha256)


def _before(found: Mapping[str, Snapshot], lineage: list[Link]) -> Iterator[Fault]:
    """Check that the manifests before a snapshot are the manifests that were named."""
    for by, named in lineage:
        if named and named.snapshot_id in found:
            yield from _check_named(found[named.snapshot_id].path, named.snapshot_id, {by: named.manifest_sha256})


def _check_named(folder: Place, snapshot_id: str, named: Mapping[str, str]) -> Iterator[Fault]:
    path = f"{snapshot_id}/{MANIFEST}"
    try:
        sha256 = sha256_of(folder / MANIFEST)
    except OSError as error:
        yield Fault(path, f"can't be read: {error.strerror}")
        return
    for by, expected in named.items():
        if sha256 != expected:
            yield _other_sha256(path, sha256, by, expected)


def _other_sha256(path: str, found: str, by: str, named: str) -> Fault:
    return Fault(path, f"has SHA-256 {found}, but {by} names {named}")


def _broken(output: _Output, each: Break) -> Iterator[Fault | Note]:
    if each.kind == "gap":
        yield from _gap(output, each)
    elif each.kind == "end":
        yield Fault(REMOVED, str(each))
    else:
        yield Fault(f"{each.at or each.by[0]}/{MANIFEST}", str(each))


def _gap(output: _Output, gap: Break) -> Iterator[Fault | Note]:
    """Report a snapshot that is named, but is neither readable nor recorded as pruned."""
    missing, names = str(gap.at), ", ".join(gap.by)
    path = f"{missing}/{MANIFEST}"
    if not SNAPSHOT_ID.fullmatch(missing):
        yield Fault(MANIFEST, f"of {names} names {missing} as the snapshot before it, which is not a snapshot id")
    elif missing in output.unreadable:
        named = [each.manifest for each in output.found.values() if each.manifest.snapshot_id in gap.by]
        expected = {each.snapshot_id: each.previous.manifest_sha256 for each in named if each.previous}
        yield from _check_named(output.folder / missing, missing, expected)
        yield Note(f"the chain is not checked further back: {output.unreadable[missing]}")
    elif isinstance(lost := lost_manifest(output.folder / missing, output.record.ids), Fault):
        yield lost
    elif output.is_of_one:
        yield Note(
            f"{missing}, the snapshot before {names}, is not in this folder: the chain is not checked further back"
        )
    elif pruned := output.record.digests_of(missing):
        yield Fault(
            path, f"is not the manifest that {names} names: {REMOVED} says that SHA-256 {', '.join(pruned)} was pruned"
        )
    elif missing in output.record.others:
        yield Fault(path, f"is missing: {names} names it, and its entry in {REMOVED} is not signed by this key")
    else:
        yield Fault(path, str(gap))
