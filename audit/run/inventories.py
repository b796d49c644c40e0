"""Takes the inventories of an organization: from a draft, from an earlier snapshot, or by listing the entities."""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from audit.crawl.earlier import Earlier, earlier_context
from audit.datasets import Dataset
from audit.entity import EntityType
from audit.errors import AuditError, Reach, RefusedError, UsageError
from audit.inventory import Collector, renew_caller, take_inventory, take_users
from audit.inventory.organizations import Organization
from audit.output.context import Context
from audit.output.inventory import Gaps, Inventory
from audit.output.partition import Partition
from audit.run.scope import RunScope
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.threads import in_thread
from audit.webex.client import Client
from audit.webex.errors import ScopeError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inventories:
    """Takes the inventories of an organization. Datasets that have kinds of entity in common share their listing.

    Attributes:
        client: the API.
        organization: whose entities they list.
        scope: of the run.
        context: keeps the devices of the workspaces.
    """

    client: Client
    organization: Organization
    scope: RunScope
    context: Context
    #: By kind of entity, an inventory that holds all that were listed, or why the kind can't be listed.
    _listed: dict[EntityType, Inventory | RefusedError] = field(default_factory=dict)
    #: The names of the files of context tables that belong to what was listed, by table.
    _context: dict[str, str] = field(default_factory=dict)

    async def take(self, dataset: Dataset, partition: Partition, earlier: Earlier | None) -> Inventory:
        """The inventory in the draft, else that of the snapshot to retry, else a new one.

        Args:
            dataset: what is to be read for the entities.
            partition: keeps the inventory.
            earlier: the rows of the snapshot to retry.

        Raises:
            RefusedError: the token may list none of the kinds of entity.
            StoppedError: a listing could not be finished.
            UsageError: the snapshot to retry does not say what to list, or the token belongs to another user.
            OSError: the inventory can't be written.
        """
        inventory = await self._take(dataset, partition, earlier)
        if inventory.gaps.devices:
            self._context.setdefault(WORKSPACE_DEVICES, inventory.gaps.devices)
        if not dataset.by_user and (earlier is None or earlier.short_kinds):
            for kind in self.scope.kinds_of(dataset):
                self._listed.setdefault(kind, inventory)
        return inventory

    async def _take(self, dataset: Dataset, partition: Partition, earlier: Earlier | None) -> Inventory:
        saved = await in_thread(self._load, partition)
        if saved and dataset.by_user:
            entities = await renew_caller(self.client, self.scope.users, (rows for _, rows in saved.batches()))
            return await _save(partition, entities, saved.gaps)
        if saved:
            return saved
        with Collector(self.client, self.organization, asks_devices=True) as found:
            if earlier:
                await self._take_again(found, dataset, earlier)
            else:
                self._refuse_unknown_ids()
                await self._list(found, dataset, self.scope.kinds_of(dataset))
            devices = await in_thread(self._keep_devices, dataset, found)
            return await _save(partition, found.entities(), replace(found.gaps(), devices=devices))

    def _load(self, partition: Partition) -> Inventory | None:
        """The saved inventory; None if there is none, or if the devices are gone that the same listing gave."""
        saved = partition.load_inventory()
        if saved and saved.gaps.devices and not self.context.load(WORKSPACE_DEVICES, saved.gaps.devices):
            log.warning("%s: the devices can't be read: the workspaces are listed again", self.organization.title)
            partition.drop()
            return None
        return saved

    def _keep_devices(self, dataset: Dataset, found: Collector) -> str | None:
        """Keep the devices of the workspaces of an inventory; returns the name of their file, None without any."""
        if found.has_devices:
            if gap := found.devices_gap():
                log.warning("%s: %s", self.organization.title, gap)
            return self.context.write(WORKSPACE_DEVICES, found.device_rows(), gap)
        if EntityType.WORKSPACE not in self.scope.kinds_of(dataset):
            return None
        if WORKSPACE_DEVICES not in self._context and self.scope.retry_failed:
            kept = earlier_context(self.scope.retry_failed, self.organization.org_id, WORKSPACE_DEVICES)
            return self.context.write(WORKSPACE_DEVICES, kept.rows(), kept.gap) if kept else None
        return self._context.get(WORKSPACE_DEVICES)

    async def _take_again(self, found: Collector, dataset: Dataset, earlier: Earlier) -> None:
        """Collect the entities of an earlier snapshot, and list the kinds that could not be listed in full then."""
        if dataset.by_user and not earlier.short_kinds:
            ids = await in_thread(earlier.ids)
            await take_users(found, self.scope.users, ids)
            return
        await in_thread(found.add_tables, earlier.entities())
        found.are_names_lost = earlier.are_names_lost
        if not earlier.short_kinds:
            return
        self._refuse_unknown_ids()
        try:
            with found.all_or_none():
                kinds = [kind for kind in self.scope.kinds_of(dataset) if kind in earlier.short_kinds]
                await self._list(found, dataset, kinds)
        except AuditError as error:
            if error.reach > Reach.KIND:
                raise
            found.unlisted = dict.fromkeys(earlier.short_kinds, str(error))

    async def _list(self, found: Collector, dataset: Dataset, kinds: Collection[EntityType]) -> None:
        """List kinds of entity, except those that another dataset of the run has listed already."""
        if dataset.by_user:
            await take_users(found, self.scope.users)
            return
        refused = [await self._copy(found, kind) for kind in kinds if kind in self._listed]
        new = [kind for kind in kinds if kind not in self._listed]
        try:
            if new:
                await take_inventory(found, new, self.scope.wanted)
        except RefusedError as error:
            if error.reach > Reach.KIND:
                raise
            self._listed.update(dict.fromkeys(new, error))
            refused += [error]
        reasons = [reason for reason in refused if reason]
        if reasons and all(kind in found.unlisted for kind in kinds):
            raise reasons[0]

    async def _copy(self, found: Collector, kind: EntityType) -> RefusedError | None:
        """Collect a kind of entity that was listed before. Returns why it can't be listed, if it was refused."""
        listed = self._listed[kind]
        if isinstance(listed, RefusedError):
            found.unlisted[kind] = str(listed)
            return listed
        rows = (each for _, each in listed.batches())
        await in_thread(found.add_tables, (each.filter(pc.equal(each["entity_type"], kind)) for each in rows))
        found.count_invalid(kind, listed.gaps.invalid_items.get(kind, 0))
        found.are_names_lost |= listed.gaps.are_names_lost
        if reason := listed.gaps.unlisted.get(kind):
            found.unlisted[kind] = reason
            return ScopeError(reason)
        return None

    def _refuse_unknown_ids(self) -> None:
        snapshot = self.scope.retry_failed
        if snapshot and snapshot.manifest.scope.entity_ids is not None:
            raise UsageError(
                f"snapshot {snapshot.manifest.snapshot_id} was to read workspaces selected by id, which could not be "
                "listed, so their ids are unknown: run again with --workspace-id or --ids-from"
            )


async def _save(partition: Partition, entities: Iterator[pa.Table], gaps: Gaps) -> Inventory:
    inventory = await in_thread(partition.save_inventory, entities, gaps)
    # Sorting takes more memory than crawling does.
    pa.default_memory_pool().release_unused()
    return inventory
