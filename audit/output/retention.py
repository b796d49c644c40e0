"""Which snapshots of an output are kept: rules that hold for each scope on its own, and add up.

A snapshot of another scope can't replace one: who audits two customers into a folder needs the last of both. Nor can
a snapshot of CSV alone, with which nothing can be compared, replace one that holds Parquet. All days, weeks, months and
years are those of UTC, and a snapshot belongs to that in which its run began.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from audit.errors import UsageError
from audit.snapshot.manifest import Manifest, Scope
from audit.snapshot.scope import are_apart, has_parquet, scope_digest

#: The periods of which the newest snapshot is kept, each with what identifies it: later periods compare greater.
PERIODS: Mapping[str, Callable[[datetime], Any]] = {
    "daily": lambda began: (began.year, began.month, began.day),
    "weekly": lambda began: began.isocalendar()[:2],
    "monthly": lambda began: (began.year, began.month),
    "yearly": lambda began: began.year,
}


@dataclass(frozen=True)
class Keep:
    """Which snapshots of a scope to keep: those that at least one of these limits keeps.

    Attributes:
        last: keep this many of the newest snapshots; None to keep none by number.
        within_s: keep snapshots that began in the last `within_s` seconds; None to keep none by age.
        daily, weekly, monthly, yearly: keep a snapshot of each of this many days (ISO weeks, months, years), the
            latest that have any: the newest that is complete, else the newest. None to keep none by period.

    Raises:
        UsageError: no limit is set.
    """

    last: int | None = None
    within_s: float | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None

    def __post_init__(self) -> None:
        if all(each is None for each in vars(self).values()):
            raise UsageError(
                "say what to keep of each scope: --keep-last N, --keep-within TIME (such as 400d), --keep-daily N, "
                "--keep-weekly N, --keep-monthly N, --keep-yearly N, or several of them"
            )


class Group(msgspec.Struct, frozen=True):
    """The scope that snapshots have in common.

    Attributes:
        digest: identifies the scope (`audit.snapshot.scope.scope_digest`), which two partners may have in common.
        newest: id of its newest snapshot, which no other group has.
        scope: what its newest snapshot was asked to audit.
        organizations: names of the organizations of its newest snapshot; ids where there is no name.
        has_parquet: its snapshots hold Parquet, so that they can be reviewed and compared.
    """

    digest: str
    newest: str
    scope: Scope
    organizations: list[str]
    has_parquet: bool = True


class Verdict(msgspec.Struct, frozen=True):
    """What is decided of a snapshot.

    Attributes:
        snapshot_id: its id.
        is_kept: whether it stays.
        reason: why.
        group: the snapshots among which it was looked at.
    """

    snapshot_id: str
    is_kept: bool
    reason: str
    group: Group


def decide(manifests: Sequence[Manifest], approved: Collection[str], keep: Keep, now: datetime) -> list[Verdict]:
    """Decide about snapshots.

    The newest of each scope, its newest complete one, and what is approved stay, whatever the limits say.

    Args:
        manifests: the snapshots of an output, in the order of their chain.
        approved: ids of the approved snapshots.
        keep: the limits, which hold for each scope.
        now: the time at which ages are measured.

    Returns:
        A verdict for each snapshot, in the same order.
    """
    groups: dict[tuple[str, bool], list[Manifest]] = defaultdict(list)
    for each in manifests:
        groups[scope_digest(each), has_parquet(each)].append(each)
    verdicts: dict[str, Verdict] = {}
    for (digest, has), members in ((key, part) for key, whole in groups.items() for part in _apart(whole)):
        newest = members[-1]
        group = Group(digest, newest.snapshot_id, newest.scope, [org.name or org.org_id for org in newest.orgs], has)
        reasons = _reasons(members, approved, keep, now)
        for each in members:
            reason = reasons.get(each.snapshot_id)
            said = reason or f"{each.status}, {_outside(keep)}"
            verdicts[each.snapshot_id] = Verdict(each.snapshot_id, reason is not None, said, group)
    return [verdicts[each.snapshot_id] for each in manifests]


def _apart(members: Sequence[Manifest]) -> list[list[Manifest]]:
    """Split snapshots by token: those of `--all-orgs` of two partners have no organization in common."""
    parts: list[tuple[set[str], set[str]]] = []
    for each in members:
        orgs, ids = {org.org_id for org in each.orgs}, {each.snapshot_id}
        for part in [part for part in parts if not are_apart(orgs, part[0])]:
            parts.remove(part)
            orgs, ids = orgs | part[0], ids | part[1]
        parts.append((orgs, ids))
    return [[each for each in members if each.snapshot_id in ids] for _, ids in parts]


def _reasons(members: Sequence[Manifest], approved: Collection[str], keep: Keep, now: datetime) -> Mapping[str, str]:
    """The first reason to keep a snapshot, by its id, for those that stay."""
    found: dict[str, str] = {}
    for reason, ids in _kept(members, approved, keep, now):
        for snapshot_id in ids:
            found.setdefault(snapshot_id, reason)
    return found


def _kept(
    members: Sequence[Manifest], approved: Collection[str], keep: Keep, now: datetime
) -> Iterator[tuple[str, list[str]]]:
    """Each reason, with the ids that it keeps."""
    ids = [each.snapshot_id for each in members]
    yield "the newest", ids[-1:]
    yield "the newest that is complete", [each.snapshot_id for each in members if each.status == "complete"][-1:]
    yield "approved", [each for each in ids if each in approved]
    if keep.last is not None:
        yield f"among the last {keep.last}", ids[-keep.last :]
    if keep.within_s is not None:
        yield "younger than --keep-within", [each.snapshot_id for each in members if _age_s(each, now) <= keep.within_s]
    for period, key_of in PERIODS.items():
        if count := getattr(keep, period):
            yield f"kept by --keep-{period}", _of_periods(members, key_of, count)


def _of_periods(members: Sequence[Manifest], key_of: Callable[[datetime], Any], count: int) -> list[str]:
    """The snapshot of each of the latest periods."""
    best: dict[Any, Manifest] = {}
    for each in members:
        key = key_of(each.started_at.astimezone(UTC))
        # A complete snapshot of a day says more than a later partial one.
        if key not in best or each.status == "complete" or best[key].status != "complete":
            best[key] = each
    return [best[key].snapshot_id for key in sorted(best)[-count:]]


def _age_s(manifest: Manifest, now: datetime) -> float:
    return (now - manifest.started_at).total_seconds()


def _outside(keep: Keep) -> str:
    """Why a snapshot is not kept: the words of what it is outside of."""
    reasons = [f"older than the last {keep.last}"] if keep.last is not None else []
    reasons += ["older than --keep-within"] if keep.within_s is not None else []
    reasons += [f"not kept by --keep-{period}" for period in PERIODS if getattr(keep, period) is not None]
    return " and ".join(reasons)
