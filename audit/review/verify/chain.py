"""The chain of snapshots: each manifest names the SHA-256 of the one before it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.errors import DamagedError, UsageError
from audit.review.verify.fault import Fault, Note
from audit.review.verify.signed_removals import check_removed
from audit.snapshot.catalog import Snapshot, scan
from audit.snapshot.chain import Break, Chain, Link
from audit.snapshot.layout import JOURNAL, MANIFEST, REMOVED, REMOVING, SNAPSHOT_ID, is_leftover
from audit.snapshot.manifest import Manifest
from audit.snapshot.removed import Removed, has_record, read_removed
from audit.storage.content import sha256_of
from audit.storage.place import Place

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True)
class Record:
    """What is recorded as removed from an output.

    Attributes:
        entries: those that count: all, or those that the key vouches for.
        others: ids of those that do not count.
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
        """SHA-256 of the manifests that were pruned under an id."""
        of_id = [each.manifest_sha256 for each in self.entries if each.snapshot_id == snapshot_id]
        return sorted(filter(None, of_id))


def read_record(output: Place, key: "Ed25519PublicKey | None") -> Record:
    """Read and check the record of what was removed from an output.

    Args:
        output: the folder of all snapshots.
        key: the key that must have signed its entries; None where that is not asked.
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
    """What to tell of the folder of a snapshot whose manifest is gone, and neither unwritten nor being pruned.

    Args:
        folder: the folder.
        removed: ids of what is recorded as removed or given up.
    """
    marks = (JOURNAL, REMOVING, MANIFEST)
    is_one = SNAPSHOT_ID.fullmatch(folder.name) and folder.is_dir() and any(folder.iterdir())
    if not is_one or any((folder / name).exists() for name in marks):
        return None
    if all(is_leftover(each.name) for each in folder.iterdir()):
        return None  # of a draft that is gone
    if folder.name in removed:
        return Note(f"{folder.name} holds stray files and is not a snapshot: {REMOVED} says it was removed or given up")
    return Fault(f"{folder.name}/{MANIFEST}", "is missing, and other files of the snapshot are still here")


def check_chain(
    folder: Place, manifest: Manifest, manifest_sha256: str, key: "Ed25519PublicKey | None", *, everywhere: bool
) -> tuple[list[str], list[Fault | Note]]:
    """Check the manifests before and after a snapshot, and whether they are one line.

    Args:
        folder: the snapshot's folder.
        manifest: its manifest.
        manifest_sha256: SHA-256 of the manifest as it lies there.
        key: the key that must have signed what is recorded as pruned; None where that is not asked.
        everywhere: tell of forks and gaps anywhere in the output, not only of those that this snapshot is part of.

    Returns:
        The ids of the snapshots before it that are here, the newest first, and what is to be told.
    """
    output, name = folder.resolve().parent, folder.resolve().name
    told: list[Fault | Note] = []
    if SNAPSHOT_ID.fullmatch(name) and name != manifest.snapshot_id:
        told.append(Fault(MANIFEST, f"is of snapshot {manifest.snapshot_id}, and its folder is {name}"))
    record = read_record(output, key)
    found, unreadable = scan(output)
    found[manifest.snapshot_id] = Snapshot(folder, manifest)
    chain = Chain([each.manifest for each in found.values()], record.entries)
    lineage = list(chain.lineage(manifest.snapshot_id))
    told += [
        *record.faults,
        *_after(found, record.entries, manifest.snapshot_id, manifest_sha256),
        *_before(found, lineage),
    ]
    own = {link.by for link in lineage}
    is_alone = len(found) == 1 and not any(map(SNAPSHOT_ID.fullmatch, unreadable)) and not has_record(output)
    for each in chain.breaks():
        if not everywhere and each.at not in own and not own & {*each.by}:
            continue
        if each.kind == "gap":
            told += _gap(output, each, found, unreadable, record, is_alone=is_alone)
        else:
            told.append(Fault(f"{each.at or each.by[0]}/{MANIFEST}", str(each)))
    pruned = [link.by for link in lineage if link.by not in found]
    if pruned:
        count = "1 earlier snapshot was" if len(pruned) == 1 else f"{len(pruned)} earlier snapshots were"
        told.append(Note(f"{count} pruned ({REMOVED}), the last of them {pruned[0]}"))
    return [link.by for link in lineage[1:] if link.by in found], told


def _after(
    found: Mapping[str, Snapshot], removed: list[Removed], snapshot_id: str, manifest_sha256: str
) -> Iterator[Fault]:
    """What later snapshots say of this one: nothing else vouches for a manifest that is not signed."""
    links = [Link(each.manifest.snapshot_id, each.manifest.previous) for each in found.values()]
    links += [Link(each.snapshot_id, each.previous) for each in removed]
    for by, named in links:
        if named and named.snapshot_id == snapshot_id and named.manifest_sha256 != manifest_sha256:
            told = f"SHA-256 {manifest_sha256}, and {by} names {named.manifest_sha256}"
            yield Fault(MANIFEST, f"has {told}")


def _before(found: Mapping[str, Snapshot], lineage: list[Link]) -> Iterator[Fault]:
    """Whether the manifests before a snapshot that are here are those that were named."""
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
            yield Fault(path, f"has SHA-256 {sha256}, and {by} names {expected}")


def _gap(
    output: Place,
    gap: Break,
    found: Mapping[str, Snapshot],
    unreadable: Mapping[str, str],
    record: Record,
    *,
    is_alone: bool,
) -> Iterator[Fault | Note]:
    """What to tell of a snapshot that is named, and is neither readable nor recorded as pruned."""
    missing, names = str(gap.at), ", ".join(gap.by)
    path = f"{missing}/{MANIFEST}"
    if not SNAPSHOT_ID.fullmatch(missing):
        yield Fault(MANIFEST, f"of {names} names {missing} as the snapshot before it, which can't be")
    elif missing in unreadable:
        named = [each.manifest for each in found.values() if each.manifest.snapshot_id in gap.by]
        expected = {each.snapshot_id: each.previous.manifest_sha256 for each in named if each.previous}
        yield from _check_named(output / missing, missing, expected)
        yield Note(f"the chain is checked no further: {unreadable[missing]}")
    elif isinstance(lost := lost_manifest(output / missing, record.ids), Fault):
        yield lost
    elif is_alone:
        yield Note(f"{missing}, the snapshot before {names}, is not in this folder: the chain is checked no further")
    elif pruned := record.digests_of(missing):
        yield Fault(
            path, f"is not the one that {names} names: {REMOVED} says that SHA-256 {', '.join(pruned)} was pruned"
        )
    elif missing in record.others:
        yield Fault(path, f"is missing: {names} names it, and what {REMOVED} says of it is not signed by this key")
    else:
        yield Fault(path, str(gap))
