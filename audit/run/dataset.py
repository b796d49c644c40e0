"""One dataset of one organization in a run, from its inventory to its last part."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from audit.crawl.batches import Backlog
from audit.crawl.breaker import forbidden_of
from audit.crawl.crawl import Crawl, Limits, Sink, give_up
from audit.crawl.earlier import Earlier, earlier_of
from audit.crawl.flatten import Slice
from audit.crawl.offer import unoffered_of
from audit.crawl.own_data import guard_for
from audit.crawl.reader import Reader
from audit.datasets import Dataset
from audit.datasets.dataset import path_of
from audit.entity import Entity, EntityType
from audit.errors import AuditError, Reach, RefusedError, StoppedError
from audit.inventory.organizations import Organization
from audit.outcome import Outcome
from audit.output.doubts import doubts_of
from audit.output.inventory import Inventory
from audit.output.journal import PartFacts
from audit.output.partition import Partition
from audit.run.inventories import Inventories
from audit.run.job import Job
from audit.run.kinds import title_of
from audit.snapshot.coverage import COVERAGE
from audit.text import count_of, plural_of
from audit.threads import in_thread
from audit.untrusted.unknown import sum_unknown
from audit.webex.client import Client
from audit.webex.errors import ScopeError, needed

log = logging.getLogger(__name__)


class DatasetAudit:
    """Audits one dataset of an organization.

    Args:
        dataset: what to read.
        organization: whose entities to read.
        client: the API.
        partition: keeps the inventory and the parts.
        job: what to audit, and how.
        inventories: takes the inventories of all datasets of the organization.
    """

    def __init__(
        self,
        dataset: Dataset,
        organization: Organization,
        client: Client,
        partition: Partition,
        job: Job,
        inventories: Inventories,
    ) -> None:
        self.name = dataset.name
        self.kinds = job.scope.kinds_of(dataset)
        self._dataset = dataset
        self._organization = organization
        self._client = client
        self._partition = partition
        self._job = job
        self._inventories = inventories

    async def run(self) -> dict[EntityType, RefusedError]:
        """Take the inventory and crawl it.

        Returns:
            The kinds of entity that are refused, each with the reason.

        Raises:
            TokenRefusedError: the token is refused, for all organizations.
            StoppedError: the organization does not answer; the answers so far are kept for a resumed run.
            UsageError: the snapshot to retry does not hold the dataset.
            OSError: a part can't be written.
        """
        earlier = await in_thread(self._earlier)
        try:
            inventory = await self._inventories.take(self._dataset, self._partition, earlier)
        except RefusedError as error:
            if error.reach > Reach.KIND:
                raise
            await in_thread(self.refuse, error)
            return dict.fromkeys(self.kinds, error)
        org = self._organization
        title = title_of(self._dataset) if len(self._job.scope.datasets) > 1 else None
        self._job.progress.on_inventory(inventory.num_rows, org.name or org.org_id, title)
        refused: dict[EntityType, RefusedError] = {
            EntityType(kind): ScopeError(reason) for kind, reason in inventory.gaps.unlisted.items()
        }
        try:
            refused |= await self._crawl(inventory, earlier)
        except ScopeError as error:
            # The settings of one person may be stored under the name of another, so none are kept.
            await in_thread(self._partition.forget_parts)
            await in_thread(self._give_up, inventory, Outcome.FORBIDDEN, error)
            return refused | dict.fromkeys(self.kinds, error)
        await in_thread(self._warn_of_doubts)
        return refused

    def give_up(self, inventory: Inventory, error: AuditError) -> None:
        """Give each entity without an outcome the outcome `timeout`; a resumed run asks for it anew."""
        self._give_up(inventory, Outcome.TIMEOUT, error)

    def refuse(self, error: AuditError) -> None:
        """Delete the data; record the reason for each kind of entity."""
        self._partition.refuse(dict.fromkeys(self.kinds, str(error)))

    def has_answers(self) -> bool:
        """Whether the draft holds an answer other than 403, perhaps from an earlier run."""
        return any(
            pc.any(pc.and_(pc.greater(part["attempts"], 0), pc.not_equal(part["outcome"], Outcome.FORBIDDEN))).as_py()
            for part in self._partition.read_parts(COVERAGE)
        )

    def doubts(self) -> dict[str, str]:
        """The kinds of entity of which many are not found although the listing names them, each with the counts.

        Workspaces selected by id are not listed, and a meeting site need not know a user of the directory.

        Raises:
            StoppedError: a part is damaged.
        """
        scope = self._job.scope
        if scope.retry_failed:
            # The listing may be old by now; doubts about the answers that are kept stay.
            orgs = {org.org_id: org.doubts for org in scope.retry_failed.manifest.orgs}
            return orgs.get(self._organization.org_id, {}).get(self.name, {})
        if self._dataset.by_user or scope.wanted is not None:
            return {}
        unoffered = self.unoffered()
        found = doubts_of(self._partition.read_parts(COVERAGE))
        return {kind: counts for kind, counts in found.items() if kind not in unoffered}

    def unoffered(self) -> dict[str, str]:
        """The kinds of entity whose settings the API does not seem to offer, each with the counts.

        Raises:
            StoppedError: a part is damaged.
        """
        return unoffered_of(self._partition.read_parts(COVERAGE), self.name) if self._dataset.is_new else {}

    def forbidden(self) -> dict[str, str]:
        """The kinds of entity of which the token may read none, each with the count and the scope.

        Raises:
            StoppedError: a part is damaged.
        """
        by_user = self._dataset.by_user
        own = by_user.own_scope if by_user and self._job.scope.users.which == "self" else None
        found = forbidden_of(self._partition.read_parts(COVERAGE))
        return {
            kind: f"{count_of(count, 'entity', 'entities')} forbidden: "
            f"{needed(own or self._dataset.scopes[kind], is_calling=not by_user)}"
            for kind, count in found.items()
            if kind in self._dataset.scopes
        }

    def other_paths(self) -> dict[str, str]:
        """The kinds of entity that were not read at the documented path, each with the paths.

        Raises:
            StoppedError: a part is damaged.
        """
        if not self._dataset.other_paths:
            return {}
        counts = sum_unknown(facts.others for facts in self._partition.read_facts())
        found = {kind: self._other_path(kind, counts[kind]) for kind in self._dataset.other_paths if counts.get(kind)}
        source = self._job.scope.retry_failed
        orgs = {org.org_id: org.other_paths for org in source.manifest.orgs} if source else {}
        return orgs.get(self._organization.org_id, {}).get(self.name, {}) | {str(kind): found[kind] for kind in found}

    def _other_path(self, kind: EntityType, count: int) -> str:
        documented = self._dataset.request(Entity(kind, "ID"), None).path
        other = path_of(self._dataset.other_paths[kind], Entity(kind, "ID"))
        return f"{count_of(count, 'answer')} from {other}, because the API does not know {documented}"

    def _warn_of_doubts(self) -> None:
        with suppress(StoppedError):  # the commit says which part is damaged
            for kind, counts in self.unoffered().items():
                log.warning("%s: %s of %s: %s", self._organization.title, self.name, plural_of(kind), counts)
            for kind, path in self.other_paths().items():
                log.info("%s: %s of %s: %s", self._organization.title, self.name, plural_of(kind), path)
            for kind, counts in self.doubts().items():
                log.warning(
                    "%s: %s of %s: %s: look for some of them in Control Hub; a gateway may answer in place of the API, "
                    "or the token's role may list more than it may read",
                    self._organization.title,
                    self.name,
                    plural_of(kind),
                    counts,
                )

    def _earlier(self) -> Earlier | None:
        snapshot = self._job.scope.retry_failed
        return earlier_of(snapshot, self._organization.org_id, self._dataset) if snapshot else None

    async def _crawl(self, inventory: Inventory, earlier: Earlier | None) -> dict[EntityType, ScopeError]:
        guard = await guard_for(self._client, self._dataset, inventory)
        sites = self._job.scope.sites
        is_again = earlier is not None
        reader = Reader(self._client, self._dataset, self._organization, sites, guard, is_asking_again=is_again)
        done = await in_thread(self._partition.finished)
        answers = await in_thread(self._partition.answers)
        backlog = Backlog(self._dataset, self._organization.org_id, inventory, done, answers, earlier)
        sink = Sink(self._write_part, self._partition.write_answers)
        limits = Limits(self._job.settings.pace.concurrency, self._job.settings.run.stall_s)
        refused = await Crawl(reader, backlog, sink, limits, self._job.progress, self._job.clock).run()
        if guard:
            await guard.confirm(self._client)
        if self._dataset.by_user and not done and not answers and not earlier:
            for site_url in set(sites) - reader.found_sites:
                log.warning("--site %s: no user is on this meeting site", site_url)
        return refused

    def _give_up(self, inventory: Inventory, outcome: Outcome, error: AuditError) -> None:
        backlog = Backlog(
            self._dataset,
            self._organization.org_id,
            inventory,
            self._partition.finished(),
            self._partition.answers(),
            self._earlier(),
        )
        write_part = partial(self._write_part, is_given_up=outcome is Outcome.TIMEOUT)
        give_up(backlog, write_part, outcome, error)

    def _write_part(self, index: int, slices: Iterator[Slice], *, is_given_up: bool = False) -> None:
        coverage: list[pa.Table] = []
        unknown: list[Mapping[str, int]] = []
        others: list[Mapping[str, int]] = []
        for number, each in enumerate(slices):
            coverage.append(each.tables.pop(COVERAGE))
            unknown.append(each.unknown_fields)
            others.append(each.others)
            self._partition.write_slice(index, number, each.tables)
        facts = PartFacts(sum_unknown(unknown), is_given_up, len(coverage), sum_unknown(others))
        self._partition.write_part(index, {COVERAGE: pa.concat_tables(coverage).combine_chunks()}, facts)
