"""The order of an output's snapshots: each names the one before it, so clocks have no say.

Nothing here reads or writes: it works on manifests, and on what `prune` recorded of those that it removed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from audit.snapshot.layout import REMOVED
from audit.snapshot.manifest import Manifest, Previous
from audit.snapshot.removed import Removed


class Link(NamedTuple):
    """What a snapshot names as the one before it.

    Attributes:
        by: id of the snapshot, which may have been pruned since.
        named: what it names; None for a first snapshot.
    """

    by: str
    named: Previous | None


class Break(NamedTuple):
    """A place where the chain is not one line.

    Attributes:
        kind: `fork`: several snapshots name the same one; `gap`: the one that is named is neither here nor recorded
            as pruned; `loop`: a snapshot names one that comes after it.
        at: id of the snapshot that is named; None for several first snapshots, which name none.
        by: ids of those that name it, sorted.
    """

    kind: Literal["fork", "gap", "loop"]
    at: str | None
    by: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.by)
        if self.kind == "gap":
            return f"is missing: {names} names it as the snapshot before it, and {REMOVED} does not say it was pruned"
        if self.kind == "loop":
            return f"is named by {names} as the snapshot before it, which can't be"
        told = f"names {self.at}" if self.at else "names none"
        return f"the chain of snapshots forks: each of {names} {told} as the snapshot before it"


class Chain:
    """Snapshots in the order in which they were committed.

    A snapshot comes after the one that it names, pruned ones in between included. One that hangs on a missing
    snapshot comes after the last one that was finished when it began. Of several ends, the one with the most
    snapshots before it is the newest; then the one that was finished last; then the one with the greatest id.

    Args:
        manifests: those that stand, each id once.
        removed: what is recorded of those that were pruned.

    Attributes:
        manifests: those that stand, by id.
        order: their ids, the oldest first; the last is the newest.
    """

    def __init__(self, manifests: Iterable[Manifest], removed: Iterable[Removed] = ()) -> None:
        self.manifests = {each.snapshot_id: each for each in manifests}
        self._removed: dict[str, list[Removed]] = defaultdict(list)
        for entry in removed:
            if not entry.is_abandoned:
                self._removed[entry.snapshot_id].append(entry)
        self._links = {one: self._climb(manifest) for one, manifest in self.manifests.items()}
        self._before: dict[str, str | None] = {}
        self._depths: dict[str, int] = {}
        self._loops: list[str] = []
        self._place()
        self.order = sorted(self.manifests, key=self._rank)

    def ancestors(self, snapshot_id: str) -> Iterator[str]:
        """Ids of the snapshots before one that stand, the nearest first."""
        before = self._before.get(snapshot_id)
        while before:
            yield before
            before = self._before[before]

    def lineage(self, snapshot_id: str) -> Iterator[Link]:
        """What a snapshot, the one that it names, and so on name, as far as that is known."""
        one: str | None = snapshot_id
        passed: set[str] = set()
        while one and one not in passed:
            passed.add(one)
            yield from self._links[one]
            one = self._parent(one)

    def breaks(self) -> list[Break]:
        """Where the chain of those that stand is not one line; a pruned branch is no longer a fork."""
        links = {link for climbed in self._links.values() for link in climbed}
        namers: dict[str | None, set[str]] = defaultdict(set)
        gaps: dict[str, set[str]] = defaultdict(set)
        for by, named in links:
            namers[named.snapshot_id if named else None].add(by)
            if named and not self._is_known(named):
                gaps[named.snapshot_id].add(by)
        forks = [Break("fork", at, tuple(sorted(by))) for at, by in namers.items() if len(by) > 1]
        missing = [Break("gap", at, tuple(sorted(by))) for at, by in gaps.items()]
        loops = [Break("loop", self._parent(one), (one,)) for one in self._loops]
        return sorted([*forks, *missing, *loops], key=lambda each: (each.kind, each.at or "", each.by))

    def is_named(self, snapshot_id: str) -> bool:
        """Whether a snapshot, standing or pruned, names this one: it is not the newest then."""
        named = [each.previous for each in self.manifests.values()]
        named += [entry.previous for entries in self._removed.values() for entry in entries]
        return any(each and each.snapshot_id == snapshot_id for each in named)

    def _is_known(self, named: Previous) -> bool:
        entries = self._removed.get(named.snapshot_id, [])
        return named.snapshot_id in self.manifests or any(
            each.manifest_sha256 == named.manifest_sha256 for each in entries
        )

    def _climb(self, manifest: Manifest) -> list[Link]:
        """What a snapshot names, and what the pruned ones before it named: up to one that stands, or to the end."""
        links = [Link(manifest.snapshot_id, manifest.previous)]
        passed = {manifest.snapshot_id}
        while (named := links[-1].named) and named.snapshot_id not in self.manifests:
            entries = self._removed.get(named.snapshot_id)
            if not entries or named.snapshot_id in passed:
                break
            # The one that is meant, else any: that it differs is a break, and the order is the same.
            entry = min(entries, key=lambda each: (each.manifest_sha256 != named.manifest_sha256, str(each)))
            passed.add(entry.snapshot_id)
            links.append(Link(entry.snapshot_id, entry.previous))
        return links

    def _parent(self, snapshot_id: str) -> str | None:
        named = self._links[snapshot_id][-1].named
        return named.snapshot_id if named and named.snapshot_id in self.manifests else None

    def _place(self) -> None:
        below: dict[str | None, list[str]] = defaultdict(list)
        for one in self.manifests:
            below[self._parent(one)].append(one)

        def spread(start: str, before: str | None) -> None:
            waiting = [(start, before)]
            while waiting:
                one, parent = waiting.pop()
                if one not in self._depths:
                    self._before[one] = parent
                    self._depths[one] = len(self._links[one]) + (self._depths[parent] if parent else 0)
                    waiting += [(each, one) for each in below[one]]

        for one in below[None]:
            if self._links[one][-1].named is None:
                spread(one, None)
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
