"""The order of the snapshots in an output: each names the snapshot before it, so clocks play no part.

Nothing here reads or writes files: the input is manifests, and the record of what `prune` removed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from audit.snapshot.layout import REMOVED
from audit.snapshot.manifest import Manifest, Previous
from audit.snapshot.removed import Removed


class Link(NamedTuple):
    """The reference of a snapshot to the snapshot before it.

    Attributes:
        by: id of the snapshot, which may have been pruned since.
        named: the snapshot before it; None for a first snapshot.
    """

    by: str
    named: Previous | None


class Break(NamedTuple):
    """A place where the chain is not a single line.

    Attributes:
        kind: `fork`: several snapshots name the same snapshot; `gap`: the named snapshot is neither here nor recorded
            as pruned; `loop`: a snapshot names a snapshot that comes after it; `end`: the end of the chain is recorded
            as pruned.
        at: id of the named snapshot; None for a fork at the first snapshot.
        by: ids of the snapshots that name it, sorted; of an `end`, the newest snapshot that is here.
    """

    kind: Literal["fork", "gap", "loop", "end"]
    at: str | None
    by: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.by)
        if self.kind == "gap":
            return f"is missing: {names} names it as the snapshot before it, and {REMOVED} does not say it was pruned"
        if self.kind == "loop":
            return f"is named by {names} as the snapshot before it, which can't be"
        if self.kind == "end":
            return (
                f"says that {self.at} was pruned, but prune keeps the newest, and nothing here is as new: {names} was "
                "not the newest"
            )
        told = f"names {self.at} as the snapshot before it" if self.at else "names no snapshot before it"
        return f"the chain of snapshots forks: each of {names} {told}"


class Chain:
    """Snapshots in the order in which they were committed.

    A snapshot comes after the snapshot that it names, also if pruned snapshots lie in between. If the named snapshot
    is missing, it comes after the last snapshot that was finished when it began. Of several ends, the newest is the
    end with the most snapshots before it, then the end that was finished last, then the end with the greatest id.

    Args:
        manifests: manifests of the existing snapshots, with distinct ids.
        removed: the record of pruned snapshots.

    Attributes:
        manifests: manifests of the existing snapshots, by id.
        order: their ids, the oldest first.
    """

    def __init__(self, manifests: Iterable[Manifest], removed: Iterable[Removed] = ()) -> None:
        self.manifests = {each.snapshot_id: each for each in manifests}
        self._removed: dict[str, list[Removed]] = defaultdict(list)
        for entry in removed:
            if not entry.is_abandoned:
                self._removed[entry.snapshot_id].append(entry)
        self._links = {each: self._climb(manifest) for each, manifest in self.manifests.items()}
        self._before: dict[str, str | None] = {}
        self._depths: dict[str, int] = {}
        self._loops: list[str] = []
        self._place()
        self.order = sorted(self.manifests, key=self._rank)

    def ancestors(self, snapshot_id: str) -> Iterator[str]:
        """Ids of the existing snapshots before a snapshot, the nearest first."""
        before = self._before.get(snapshot_id)
        while before:
            yield before
            before = self._before[before]

    def lineage(self, snapshot_id: str) -> Iterator[Link]:
        """The links from a snapshot back through the chain, as far as they are known."""
        current: str | None = snapshot_id
        passed: set[str] = set()
        while current and current not in passed:
            passed.add(current)
            yield from self._links[current]
            current = self._parent(current)

    def breaks(self) -> list[Break]:
        """The places where the chain of existing snapshots is not a single line; a pruned branch is not a fork."""
        links = {link for climbed in self._links.values() for link in climbed}
        namers: dict[str | None, set[str]] = defaultdict(set)
        gaps: dict[str, set[str]] = defaultdict(set)
        for by, named in links:
            namers[named.snapshot_id if named else None].add(by)
            if named and not self._is_known(named):
                gaps[named.snapshot_id].add(by)
        forks = [Break("fork", at, tuple(sorted(by))) for at, by in namers.items() if len(by) > 1]
        missing = [Break("gap", at, tuple(sorted(by))) for at, by in gaps.items()]
        loops = [Break("loop", self._parent(each), (each,)) for each in self._loops]
        return sorted([*forks, *missing, *loops, *self._ends()], key=lambda each: (each.kind, each.at or "", each.by))

    def is_named(self, snapshot_id: str) -> bool:
        """Whether a snapshot, existing or pruned, names this snapshot, which is then not the newest."""
        named = [each.previous for each in self.manifests.values()]
        named += [entry.previous for entries in self._removed.values() for entry in entries]
        return any(each and each.snapshot_id == snapshot_id for each in named)

    def _ends(self) -> Iterator[Break]:
        """The removed snapshot that came last, if it is further from the first than every existing snapshot."""
        newest = self.order[-1] if self.order else None
        entries = [entry for entries in self._removed.values() for entry in entries]
        depths = {entry.snapshot_id: self._depth_of(entry) for entry in entries}
        last = max(depths, key=lambda each: (depths[each], each), default=None)
        if newest and last and depths[last] > self._depths[newest]:
            yield Break("end", last, (newest,))

    def _depth_of(self, entry: Removed) -> int:
        """The place of a removed snapshot in the chain; 0 if it exists still, or if its place is not known."""
        links = self._climb(entry)
        last = links[-1].named
        if entry.snapshot_id in self.manifests or (last and last.snapshot_id not in self._depths):
            return 0
        return len(links) + (self._depths[last.snapshot_id] if last else 0)

    def _is_known(self, named: Previous) -> bool:
        entries = self._removed.get(named.snapshot_id, [])
        return named.snapshot_id in self.manifests or any(
            each.manifest_sha256 == named.manifest_sha256 for each in entries
        )

    def _climb(self, manifest: Manifest | Removed) -> list[Link]:
        """The links from a snapshot through pruned snapshots, to the nearest existing snapshot or to the end."""
        links = [Link(manifest.snapshot_id, manifest.previous)]
        passed = {manifest.snapshot_id}
        while (named := links[-1].named) and named.snapshot_id not in self.manifests:
            entries = self._removed.get(named.snapshot_id)
            if not entries or named.snapshot_id in passed:
                break
            # The entry with the named digest, else any: a difference is a break, and does not change the order.
            entry = min(entries, key=lambda each: (each.manifest_sha256 != named.manifest_sha256, str(each)))
            passed.add(entry.snapshot_id)
            links.append(Link(entry.snapshot_id, entry.previous))
        return links

    def _parent(self, snapshot_id: str) -> str | None:
        named = self._links[snapshot_id][-1].named
        return named.snapshot_id if named and named.snapshot_id in self.manifests else None

    def _place(self) -> None:
        below: dict[str | None, list[str]] = defaultdict(list)
        for snapshot_id in self.manifests:
            below[self._parent(snapshot_id)].append(snapshot_id)

        def spread(start: str, before: str | None) -> None:
            waiting = [(start, before)]
            while waiting:
                snapshot_id, parent = waiting.pop()
                if snapshot_id not in self._depths:
                    self._before[snapshot_id] = parent
                    self._depths[snapshot_id] = len(self._links[snapshot_id]) + (self._depths[parent] if parent else 0)
                    waiting += [(each, snapshot_id) for each in below[snapshot_id]]

        for first in below[None]:
            if self._links[first][-1].named is None:
                spread(first, None)
        hanging = set(below[None])
        while left := self.manifests.keys() - self._depths.keys():
            start = min(left, key=lambda each: (each not in hanging, self.manifests[each].started_at, each))
            began = self.manifests[start].started_at
            earlier = [each for each in self._depths if self.manifests[each].finished_at <= began]
            if start not in hanging:
                self._loops.append(start)
            spread(start, max(earlier, key=self._rank, default=None))

    def _rank(self, snapshot_id: str) -> tuple[object, ...]:
        return self._depths[snapshot_id], self.manifests[snapshot_id].finished_at, snapshot_id
