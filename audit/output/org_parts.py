"""An organization that is to be committed, and its entry in the manifest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby

from audit.outcome import Outcome
from audit.output.context import ContextTable
from audit.output.inventory import Inventory
from audit.snapshot.org import AdminEvents, Limit, Org, OrgStatus


@dataclass(frozen=True)
class OrgParts:
    """An organization of a run, after all parts of its inventories are written.

    Attributes:
        org_id: its UUID.
        name: its display name; None if unknown.
        inventories: by dataset. Each batch has its part; a dataset that was refused as a whole is missing.
        is_refused: the token has no right to audit anything of it.
        message: what stopped its audit; None if nothing did.
        webex_id: its id in the form that the API takes.
        doubts: by dataset, the kinds of entity with too many answers `not_found` (`audit.output.doubts`).
        limit: the limit on requests, as far as the run met it.
        unoffered: by dataset, the kinds of entity whose settings the API does not offer.
        other_paths: by dataset, the kinds of entity whose settings were read at another path.
        context: its context tables.
        admin_events: what was read of the administrators' log; None if that was not asked for.
        forbidden: by dataset, the kinds of entity of which the token may read none.
    """

    org_id: str
    name: str | None
    inventories: Mapping[str, Inventory]
    is_refused: bool = False
    message: str | None = None
    webex_id: str | None = None
    doubts: Mapping[str, dict[str, str]] = field(default_factory=dict)
    limit: Limit | None = None
    unoffered: Mapping[str, dict[str, str]] = field(default_factory=dict)
    other_paths: Mapping[str, dict[str, str]] = field(default_factory=dict)
    context: Mapping[str, ContextTable] = field(default_factory=dict)
    admin_events: AdminEvents | None = None
    forbidden: Mapping[str, dict[str, str]] = field(default_factory=dict)

    def entry(self, outcomes: Iterable[Counter[str]]) -> Org:
        """Its entry in the manifest, given its outcomes in each dataset."""
        entities = _count_entities([each for each in self.inventories.values() if each.num_rows])
        gaps = {name: inventory.gaps for name, inventory in self.inventories.items()}
        unlisted = {name: gap.unlisted for name, gap in gaps.items() if gap.unlisted}
        invalid = {name: gap.invalid_items for name, gap in gaps.items() if gap.invalid_items}
        unnamed = _count_once(each.unnamed_ids() for each in self.inventories.values())
        is_whole = not (self.message or unlisted or invalid) and all(_is_complete(count) for count in outcomes)
        nothing: OrgStatus = "refused" if self.is_refused else "unanswered"
        status = ("complete" if is_whole else "partial") if self.inventories else nothing
        return Org(
            self.org_id,
            self.name,
            status,
            entities,
            unlisted,
            self.message,
            self.webex_id,
            doubts=dict(self.doubts),
            invalid_items=invalid,
            unnamed_locations=unnamed,
            limit=self.limit,
            unoffered=dict(self.unoffered),
            other_paths=dict(self.other_paths),
            context={name: table.gap for name, table in sorted(self.context.items())},
            admin_events=self.admin_events,
            forbidden=dict(self.forbidden),
        )


def _is_complete(outcomes: Counter[str]) -> bool:
    return all(Outcome(word).is_complete for word in outcomes)


def _count_entities(inventories: list[Inventory]) -> int:
    """Count the entities of all inventories without duplicates."""
    if len(inventories) == 1:
        return inventories[0].num_rows
    return _count_once(each.ids() for each in inventories)


def _count_once(ids: Iterable[Iterator[str]]) -> int:
    """Count the ids of sorted sequences without duplicates."""
    return sum(1 for _ in groupby(merge(*ids)))
