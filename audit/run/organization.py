"""One organization of a run, from its inventories to its last part: a failure domain of its own."""

import logging
from collections.abc import Collection, Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from audit.clock import Clock
from audit.config import Settings
from audit.crawl.batches import Backlog
from audit.crawl.crawl import Crawl, Limits, Sink, give_up
from audit.crawl.earlier import Earlier, earlier_of
from audit.crawl.own_data import guard_for
from audit.crawl.progress import Progress
from audit.crawl.reader import Reader
from audit.datasets import Dataset
from audit.entity import EntityType
from audit.errors import AuditError, DeadlineError, RefusedError, StoppedError, UsageError
from audit.inventory import Collector, renew_caller, take_inventory, take_users
from audit.inventory.organizations import Organization
from audit.outcome import Outcome
from audit.output.draft import Draft
from audit.output.inventory import Inventory
from audit.output.journal import PartFacts
from audit.output.org_parts import OrgParts
from audit.run.scope import RunScope
from audit.snapshot.coverage import COVERAGE
from audit.threads import in_thread
from audit.webex.client import Client
from audit.webex.errors import OutageError, ScopeError, TokenRefusedError

log = logging.getLogger(__name__)


class OrganizationAudit:
    """Audits one organization.

    Args:
        organization: which.
        client: with a pace of its own.
        draft: where parts go.
        settings: the configuration.
        scope: what is asked for.
        progress: is told of each step.
        clock: the time.

    Attributes:
        error: what stopped it, if something did; to be set by who runs several.
    """

    def __init__(
        self,
        organization: Organization,
        client: Client,
        draft: Draft,
        settings: Settings,
        scope: RunScope,
        *,
        progress: Progress,
        clock: Clock,
    ) -> None:
        self.organization = organization
        self.error: AuditError | None = None
        self._org_id = organization.org_id
        self.client = client
        self._draft = draft
        self._settings = settings
        self._scope = scope
        self._progress = progress
        self._clock = clock
        self._refused: dict[tuple[str, EntityType], RefusedError] = {}

    async def run(self) -> None:
        """Take its inventories and crawl them.

        Raises:
            TokenRefusedError: the token is refused, for all organizations.
            RefusedError: nothing of it could be audited; nothing is kept.
            StoppedError: it does not answer; what was read is kept for a resumed run.
            UsageError: the snapshot to retry does not hold it.
            OSError: a part can't be written.
        """
        with self.client.pace.at_work():
            for dataset in self._scope.datasets:
                await self._audit(dataset)
        wanted = {(dataset.name, kind) for dataset in self._scope.datasets for kind in self._scope.kinds_of(dataset)}
        if wanted <= self._refused.keys() and not await in_thread(self._has_answers):
            await in_thread(self._draft.forget, self._org_id)
            raise next(iter(self._refused.values()))
        for reason in dict.fromkeys(map(str, self._refused.values())):
            log.warning("%s: %s", self.organization.name or self._org_id, reason)

    def give_up(self) -> None:
        """Give each entity that has no outcome yet the one that `error` is for it; a resumed run asks for it anew."""
        taken = self.parts().inventories
        if not self.error or not taken:
            return
        for dataset in self._scope.datasets:
            if dataset.name in taken:
                self._give_up(dataset, taken[dataset.name], Outcome.TIMEOUT, self.error)
            else:
                self._refuse(dataset, self.error)

    def parts(self) -> OrgParts:
        """What is to be committed of it."""
        return parts_of(self._draft, self.organization, self._scope, self.error)

    def _refuse(self, dataset: Dataset, error: AuditError) -> None:
        self._draft.refuse(self._org_id, dataset.name, dict.fromkeys(self._scope.kinds_of(dataset), str(error)))

    def _has_answers(self) -> bool:
        """Whether something was answered otherwise than with 403, by a run before at the least."""
        names = (dataset.name for dataset in self._scope.datasets)
        parts = (part for name in names for part in self._draft.read_parts(self._org_id, name, COVERAGE))
        return any(
            pc.any(pc.and_(pc.greater(part["attempts"], 0), pc.not_equal(part["outcome"], Outcome.FORBIDDEN))).as_py()
            for part in parts
        )

    async def _audit(self, dataset: Dataset) -> None:
        earlier = await in_thread(self._earlier, dataset)
        try:
            inventory = await self._inventory(dataset, earlier)
        except TokenRefusedError:
            raise
        except RefusedError as error:
            self._refused |= {(dataset.name, kind): error for kind in self._scope.kinds_of(dataset)}
            await in_thread(self._refuse, dataset, error)
            return
        for kind, reason in inventory.unlisted.items():
            self._refused.setdefault((dataset.name, EntityType(kind)), ScopeError(reason))
        self._progress.on_inventory(inventory.num_rows, self.organization.name or self._org_id)
        try:
            refused = await self._crawl(dataset, inventory, earlier)
        except ScopeError as error:
            # One person's settings may stand under another's name: none of them is kept.
            await in_thread(self._draft.forget_parts, self._org_id, dataset.name)
            await in_thread(self._give_up, dataset, inventory, Outcome.FORBIDDEN, error)
            refused = dict.fromkeys(self._scope.kinds_of(dataset), error)
        self._refused |= {(dataset.name, kind): refusal for kind, refusal in refused.items()}

    async def _inventory(self, dataset: Dataset, earlier: Earlier | None) -> Inventory:
        """That of the run that this one resumes, or that of the snapshot that is retried, or a new one."""
        inventory = await in_thread(self._draft.load_inventory, self._org_id, dataset.name)
        if inventory and dataset.by_user:
            entities = await renew_caller(self.client, self._scope.users, (rows for _, rows in inventory.batches()))
            return await self._save(dataset, entities, inventory.unlisted)
        if inventory:
            return inventory
        with Collector(self.client, self.organization) as found:
            if earlier:
                await self._take_again(found, dataset, earlier)
            else:
                self._refuse_unknown_ids()
                await take(found, self._scope, dataset)
            return await self._save(dataset, found.entities(), found.unlisted)

    async def _save(self, dataset: Dataset, entities: Iterator[pa.Table], unlisted: dict[str, str]) -> Inventory:
        inventory = await in_thread(self._draft.save_inventory, self._org_id, dataset.name, entities, unlisted)
        # Sorting takes more than crawling does.
        pa.default_memory_pool().release_unused()
        return inventory

    async def _take_again(self, found: Collector, dataset: Dataset, earlier: Earlier) -> None:
        """The entities of an earlier snapshot, and those of kinds that could not be listed then."""
        if dataset.by_user and not earlier.unlisted:
            ids = await in_thread(earlier.ids)
            await take_users(found, self._scope.users, ids)
            return
        await in_thread(found.add_tables, earlier.entities())
        if not earlier.unlisted:
            return
        self._refuse_unknown_ids()
        try:
            with found.all_or_none():
                await take(found, self._scope, dataset, earlier.unlisted)
        except (TokenRefusedError, DeadlineError, OutageError):
            raise
        except (RefusedError, StoppedError) as error:
            found.unlisted = dict.fromkeys(earlier.unlisted, str(error))

    def _refuse_unknown_ids(self) -> None:
        snapshot = self._scope.retry_failed
        if snapshot and snapshot.manifest.scope.entity_ids is not None:
            raise UsageError(
                f"snapshot {snapshot.manifest.snapshot_id} is of workspaces that were named by id and could not be "
                "listed, so that their ids are not known: run again with --workspace-id or --ids-from"
            )

    def _earlier(self, dataset: Dataset) -> Earlier | None:
        snapshot = self._scope.retry_failed
        return earlier_of(snapshot, self._org_id, dataset) if snapshot else None

    async def _crawl(
        self, dataset: Dataset, inventory: Inventory, earlier: Earlier | None
    ) -> dict[EntityType, ScopeError]:
        guard = await guard_for(self.client, dataset, inventory)
        reader = Reader(self.client, dataset, self.organization, self._scope.sites, guard)
        done = await in_thread(self._draft.finished, self._org_id, dataset.name)
        answers = await in_thread(self._draft.answers, self._org_id, dataset.name)
        backlog = Backlog(dataset, self._org_id, inventory, done, answers, earlier)
        sink = Sink(
            partial(self._write_part, dataset.name), partial(self._draft.write_answers, self._org_id, dataset.name)
        )
        limits = Limits(self._settings.pace.concurrency, self._settings.run.stall_s)
        refused = await Crawl(reader, backlog, sink, limits, self._progress, self._clock).run()
        if guard:
            await guard.confirm(self.client)
        if dataset.by_user and not done and not answers and not earlier:
            for site_url in set(self._scope.sites) - reader.found_sites:
                log.warning("--site %s: no user is on this meeting site", site_url)
        return refused

    def _give_up(self, dataset: Dataset, inventory: Inventory, outcome: Outcome, error: AuditError) -> None:
        backlog = Backlog(
            dataset,
            self._org_id,
            inventory,
            self._draft.finished(self._org_id, dataset.name),
            self._draft.answers(self._org_id, dataset.name),
            self._earlier(dataset),
        )
        write_part = partial(self._write_part, dataset.name, is_given_up=outcome is Outcome.TIMEOUT)
        give_up(backlog, write_part, outcome, error)

    def _write_part(
        self,
        dataset: str,
        index: int,
        tables: dict[str, pa.Table],
        unknown_fields: dict[str, int],
        *,
        is_given_up: bool = False,
    ) -> None:
        facts = PartFacts(unknown_fields, is_given_up)
        self._draft.write_part(self._org_id, dataset, index, tables, facts)


def parts_of(draft: Draft, organization: Organization, scope: RunScope, error: AuditError | None) -> OrgParts:
    """What is to be committed of an organization, wherever it was audited: all of it is in the draft.

    Args:
        draft: holds its inventories and parts.
        organization: which.
        scope: of the run.
        error: what stopped it, if something did.
    """
    inventories = draft.inventories(organization.org_id, [dataset.name for dataset in scope.datasets])
    return OrgParts(
        organization.org_id,
        organization.name,
        inventories,
        is_refused=isinstance(error, RefusedError),
        message=str(error) if error else None,
        webex_id=organization.webex_id,
    )


async def take(found: Collector, scope: RunScope, dataset: Dataset, kinds: Collection[str] | None = None) -> None:
    """Find the entities of an organization for a dataset.

    Args:
        found: takes them in.
        scope: of the run.
        dataset: what is to be read.
        kinds: of these kinds of entity only.

    Raises:
        RefusedError: the token may list none of the kinds of entity.
        StoppedError: a listing could not be finished.
    """
    if dataset.by_user:
        await take_users(found, scope.users)
    else:
        wanted = [kind for kind in scope.kinds_of(dataset) if kinds is None or kind in kinds]
        await take_inventory(found, wanted, scope.wanted)
