"""One organization of a run, from its inventories to its last part: a failure domain of its own."""

import logging
from collections.abc import Iterable
from functools import partial

import msgspec
import pyarrow as pa

from audit import memory
from audit.clock import Clock
from audit.config import Settings
from audit.crawl import crawl, give_up
from audit.datasets import Dataset
from audit.earlier import Earlier
from audit.entity import EntityType, Inventory, inventory_table
from audit.errors import AuditError, RefusedError, UsageError
from audit.inventory import take_inventory, take_users
from audit.organizations import Organization
from audit.outcome import Outcome
from audit.own_data import OwnDataGuard
from audit.progress import Progress
from audit.reading import Reader
from audit.scope import RunScope
from audit.snapshot.commit import OrgParts
from audit.snapshot.draft import Draft, PartFacts
from audit.snapshot.manifest import Requests
from audit.webex.client import Client
from audit.webex.errors import ScopeError, TokenRefusedError

log = logging.getLogger(__name__)


class OrganizationRun:
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
        self._client = client
        self._draft = draft
        self._settings = settings
        self._scope = scope
        self._progress = progress
        self._clock = clock
        self._inventories: dict[str, Inventory] = {}
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
        is_resumed = self._org_id in self._draft.organizations()
        if rate_per_s := memory.recall_rate(self._client.base_url, self._org_id):
            self._client.pace.start_from(rate_per_s)
        try:
            for dataset in self._scope.datasets:
                await self._audit(dataset)
        finally:
            if rate_per_s := self._client.pace.settled_per_s:
                memory.remember_rate(self._client.base_url, self._org_id, rate_per_s)
        wanted = {(dataset.name, kind) for dataset in self._scope.datasets for kind in self._scope.kinds_of(dataset)}
        if wanted <= self._refused.keys() and not is_resumed:
            self._draft.forget(self._org_id)
            self._inventories = {}
            raise next(iter(self._refused.values()))

    def give_up(self) -> None:
        """Give each entity that has no outcome yet the one that `error` is for it."""
        for dataset in self._scope.datasets:
            if self.error and dataset.name in self._inventories:
                self._give_up(dataset, Outcome.TIMEOUT, self.error)
        if self.error and self._inventories:
            for dataset in self._scope.datasets:
                unlisted = _unlisted(self._scope.kinds_of(dataset), self.error)
                self._inventories.setdefault(dataset.name, unlisted)

    def parts(self) -> OrgParts:
        """What is to be committed of it."""
        message = str(self.error) if self.error else None
        is_refused = isinstance(self.error, RefusedError)
        return OrgParts(self._org_id, self.organization.name, self._inventories, is_refused, message)

    async def _audit(self, dataset: Dataset) -> None:
        earlier = self._earlier(dataset)
        try:
            inventory = await self._inventory(dataset, earlier)
        except TokenRefusedError:
            raise
        except RefusedError as error:
            kinds = self._scope.kinds_of(dataset)
            self._refused |= {(dataset.name, kind): error for kind in kinds}
            self._inventories[dataset.name] = _unlisted(kinds, error)
            return
        self._inventories[dataset.name] = inventory
        for kind, reason in inventory.unlisted.items():
            self._refused.setdefault((dataset.name, EntityType(kind)), ScopeError(reason))
        self._progress.on_inventory(inventory.entities.num_rows, self.organization.name or self._org_id)
        try:
            refused = await self._crawl(dataset, inventory.entities, earlier)
        except ScopeError as error:
            # One person's settings may stand under another's name: none of them is kept.
            self._draft.forget(self._org_id, dataset.name)
            self._draft.save_inventory(self._org_id, dataset.name, inventory)
            self._give_up(dataset, Outcome.FORBIDDEN, error)
            refused = dict.fromkeys(self._scope.kinds_of(dataset), error)
        for kind, refusal in refused.items():
            self._refused[dataset.name, kind] = refusal
            log.warning("%s", refusal)

    async def _inventory(self, dataset: Dataset, earlier: Earlier | None) -> Inventory:
        """That of the run that this one resumes, or that of the snapshot that is retried, or a new one."""
        inventory = self._draft.load_inventory(self._org_id, dataset.name)
        if inventory is None:
            if earlier:
                inventory = await self._retried(dataset, earlier)
            else:
                inventory = await take(self._client, self.organization, self._scope, dataset)
            self._draft.save_inventory(self._org_id, dataset.name, inventory)
        return inventory

    async def _retried(self, dataset: Dataset, earlier: Earlier) -> Inventory:
        """The entities of an earlier snapshot, and those of kinds that could not be listed then."""
        entities = earlier.entities()
        if dataset.by_user:
            ids = [entity.entity_id for entity in entities]
            return await take_users(self._client, self.organization, self._scope.users, ids)
        if not earlier.unlisted:
            return Inventory(inventory_table(entities))
        kinds = [EntityType(kind) for kind in earlier.unlisted]
        try:
            now = await take_inventory(self._client, self.organization, kinds)
        except ScopeError:
            return Inventory(inventory_table(entities), earlier.unlisted)
        table = pa.concat_tables([inventory_table(entities), now.entities])
        return Inventory(table.sort_by("entity_id"), now.unlisted)

    def _earlier(self, dataset: Dataset) -> Earlier | None:
        snapshot = self._scope.retry_failed
        if snapshot is None:
            return None
        entry = next((org for org in snapshot.manifest.orgs if org.org_id == self._org_id), None)
        if entry is None:
            raise UsageError(
                f"snapshot {snapshot.manifest.snapshot_id} is not of organization {self._org_id}: retry it with its "
                "own token or --org-id"
            )
        is_audited = entry.status in ("complete", "partial")
        return Earlier(snapshot, self._org_id, dataset, entry.unlisted.get(dataset.name)) if is_audited else None

    async def _crawl(
        self, dataset: Dataset, inventory: pa.Table, earlier: Earlier | None
    ) -> dict[EntityType, ScopeError]:
        guard = await self._guard(dataset, inventory)
        refused = await crawl(
            self._client,
            dataset,
            self._org_id,
            Reader(self._client, dataset, self.organization, self._scope.sites, guard),
            inventory,
            partial(self._write_part, dataset.name),
            concurrency=self._settings.pace.concurrency,
            progress=self._progress,
            is_done=partial(self._draft.has_part, self._org_id, dataset.name),
            earlier=earlier,
            stall_s=self._settings.run.stall_s,
            clock=self._clock,
        )
        if guard:
            await guard.confirm(self._client)
        return refused

    async def _guard(self, dataset: Dataset, inventory: pa.Table) -> OwnDataGuard | None:
        """Needed as soon as others than the caller are asked for."""
        columns = zip(inventory["is_caller"].to_pylist(), inventory["known_outcome"].to_pylist(), strict=True)
        if dataset.by_user is None or all(is_caller or known for is_caller, known in columns):
            return None
        return await OwnDataGuard.begin(self._client, dataset, dataset.by_user)

    def _give_up(self, dataset: Dataset, outcome: Outcome, error: AuditError) -> None:
        give_up(
            dataset,
            self._org_id,
            self._inventories[dataset.name].entities,
            partial(self._write_part, dataset.name),
            outcome,
            error,
            partial(self._draft.has_part, self._org_id, dataset.name),
        )

    def _write_part(
        self, dataset: str, index: int, tables: dict[str, pa.Table], unknown_fields: dict[str, int]
    ) -> None:
        facts = PartFacts(unknown_fields, requests_of(self._client))
        self._draft.write_part(self._org_id, dataset, index, tables, facts)


async def take(client: Client, organization: Organization, scope: RunScope, dataset: Dataset) -> Inventory:
    """The inventory of an organization for a dataset.

    Raises:
        RefusedError: the token may list none of the kinds of entity.
        StoppedError: a listing could not be finished.
    """
    if dataset.by_user:
        return await take_users(client, organization, scope.users)
    return await take_inventory(client, organization, scope.kinds_of(dataset), scope.wanted)


def _unlisted(kinds: Iterable[EntityType], error: AuditError) -> Inventory:
    return Inventory(inventory_table([]), dict.fromkeys(map(str, kinds), str(error)))


def requests_of(client: Client) -> Requests:
    """The requests that a client, and those beside it, have made."""
    return msgspec.convert(client.count, Requests, from_attributes=True)
