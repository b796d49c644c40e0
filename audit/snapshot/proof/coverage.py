"""Coverage against inventory: every entity has exactly one outcome, and the manifest counts them correctly."""

from collections import Counter
from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from pathlib import Path

import pyarrow.compute as pc

from audit.outcome import Outcome
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Manifest
from audit.snapshot.org import Org
from audit.snapshot.parquet import UNREADABLE, fault_of
from audit.snapshot.proof.contents import files_of, read_parquet
from audit.snapshot.proof.fault import Fault, Note
from audit.text import count_of

#: What no organization has: memory is bounded by this, not by what a file says. Of datasets and outcomes together.
_MOST_OUTCOMES = 200
#: Of a user.
_MOST_SITES = 10_000
#: Characters of a dataset and an outcome together, and of an id in a message.
_LONGEST = 200
_COMPLETE = frozenset(str(outcome) for outcome in Outcome if outcome.is_complete)
#: Outcomes by dataset.
_Outcomes = dict[str, Counter[str]]


def check_coverage(folder: Path, manifest: Manifest) -> Iterator[Fault | Note]:
    """Check coverage row by row; its order is that of the inventories, so memory stays small.

    Args:
        folder: the snapshot's folder.
        manifest: its manifest; the files of coverage must match it.
    """
    try:
        yield from _check(folder, manifest)
    except TypeError:
        yield Fault(COVERAGE, "is not as webex-audit writes it: a column without nulls has a null")
    except UNREADABLE as error:
        yield Fault(COVERAGE, f"is not as webex-audit writes it: {fault_of(error)}")


def _check(folder: Path, manifest: Manifest) -> Iterator[Fault | Note]:
    files: dict[str, list[Path]] = {}
    for org_id, file in files_of(COVERAGE, manifest.tables[COVERAGE]).parquet:
        files.setdefault(org_id, []).append(folder / file.path)
    if not files and manifest.tables[COVERAGE].rows:
        yield Note("coverage is not compared with the inventory, as it has no Parquet")
        return
    total: _Outcomes = {}
    for org_id in sorted(files.keys() - {org.org_id for org in manifest.orgs}):
        yield Fault(MANIFEST, f"does not name organization {org_id}, but coverage does")
    for org in manifest.orgs:
        outcomes: _Outcomes = {}
        yield from _check_rows(files.get(org.org_id, []), org.org_id, outcomes)
        yield from _check_org(org, outcomes, _count_entities(files.get(org.org_id, []), org.org_id, outcomes))
        for dataset, counts in outcomes.items():
            total.setdefault(dataset, Counter()).update(counts)
    yield from _check_manifest(manifest, total)


def _check_rows(paths: list[Path], org_id: str, outcomes: _Outcomes) -> Iterator[Fault]:
    """Count an organization's outcomes; report the first entity (or site of it) without exactly one."""
    last = ("", "")
    sites: set[str | None] = set()
    counts: Counter[tuple[str, str]] = Counter()
    faults: dict[str, str] = {}
    for dataset, entity_id, site_url, outcome in _rows(paths, org_id, "dataset", "entity_id", "site_url", "outcome"):
        if (dataset, entity_id) < last:
            faults.setdefault("is not in the order of the inventory", f"{dataset} of {entity_id[:_LONGEST]}")
        if (dataset, entity_id) != last:
            sites.clear()
        elif site_url in sites:
            faults.setdefault("has two outcomes", f"{dataset} of {entity_id[:_LONGEST]}")
        last = (dataset, entity_id)
        sites.add(site_url)
        counts[dataset, outcome] += 1
        if len(sites) > _MOST_SITES or len(counts) > _MOST_OUTCOMES or len(dataset) + len(outcome) > _LONGEST:
            raise ValueError("it has far more outcomes or sites than there are")
    for (dataset, outcome), number in counts.items():
        outcomes.setdefault(dataset, Counter())[outcome] = number
    for what, where in faults.items():
        yield Fault(COVERAGE, f"{where} in organization {org_id} {what}")


def _count_entities(paths: list[Path], org_id: str, outcomes: _Outcomes) -> int:
    """The number of entities in all datasets; each counts once. The entities of a dataset are in order."""
    return sum(1 for _ in groupby(merge(*(entity_ids(paths, org_id, dataset) for dataset in outcomes))))


def entity_ids(paths: list[Path], org_id: str, dataset: str) -> Iterator[str]:
    """The ids of the entities of a dataset, in order, as the coverage of an organization has them."""
    for path in paths:
        for table in read_parquet(path, org_id, ["dataset", "entity_id"]):
            yield from table.filter(pc.equal(table["dataset"], dataset))["entity_id"].to_pylist()


def _rows(paths: list[Path], org_id: str, *columns: str) -> Iterator[tuple[str, ...]]:
    for path in paths:
        for table in read_parquet(path, org_id, list(columns)):
            yield from zip(*(table[name].to_pylist() for name in columns), strict=True)


def _check_org(org: Org, outcomes: _Outcomes, entities: int) -> Iterator[Fault]:
    if entities != org.entities:
        count = count_of(org.entities, "entity", "entities")
        yield Fault(MANIFEST, f"organization {org.org_id} has {count}, but coverage has {entities:,}")
    if not org.is_audited:
        if outcomes:
            yield Fault(MANIFEST, f"organization {org.org_id} is {org.status}, but coverage has outcomes of it")
        return
    is_whole = not org.message and org.is_listed and all(_COMPLETE.issuperset(counts) for counts in outcomes.values())
    expected = "complete" if is_whole else "partial"
    if org.status != expected:
        yield Fault(MANIFEST, f"organization {org.org_id} is {org.status}, but its outcomes make it {expected}")


def _check_manifest(manifest: Manifest, total: _Outcomes) -> Iterator[Fault]:
    for dataset in sorted(total.keys() | manifest.outcomes.keys()):
        said, found = manifest.outcomes.get(dataset, {}), dict(sorted(total.get(dataset, Counter()).items()))
        if said != found:
            yield Fault(MANIFEST, f"outcomes of {dataset} are {_listed(said)}, but in coverage {_listed(found)}")
    is_whole = not manifest.invalid_organizations and all(org.status == "complete" for org in manifest.orgs)
    expected = "complete" if is_whole else "partial"
    if manifest.status != expected:
        yield Fault(MANIFEST, f"the snapshot is {manifest.status}, but its organizations make it {expected}")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{word} {count}" for word, count in counts.items()) or "none"
