"""Takes the inventories of an organization: from a draft, from an earlier snapshot, or by listing the entities."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pyarrow as pa

from audit.crawl.earlier import Earlier
from audit.datasets import Dataset
from audit.errors import AuditError, Reach, UsageError
from audit.inventory import Collector, renew_caller, take_inventory, take_users
from audit.inventory.organizations import Organization
from audit.output.inventory import Gaps, Inventory
from audit.output.partition import Partition
from audit.run.scope import RunScope
from audit.threads import in_thread
from audit.webex.client import Client


@dataclass(frozen=True)
class Inventories:
    """Takes the inventories of an organization.

    Attributes:
        client: the API.
        organization: whose entities they list.
        scope: of the run.
    """

    client: Client
    organization: Organization
    scope: RunScope

    async def take(self, dataset: Dataset, partition: Partition, earlier: Earlier | None) -> Inventory:
        """The inventory in the draft, else that of the snapshot to retry, else a new one.

        Args:
            dataset: what is to be read of the entities.
            partition: keeps the inventory.
            earlier: the rows of the snapshot to retry.

        Raises:
            RefusedError: the token may list none of the kinds of entity.
            StoppedError: a listing could not be finished.
            UsageError: the snapshot to retry does not say what to list, or the token belongs to another user.
            OSError: the inventory can't be written.
        """
        saved = await in_thread(partition.load_inventory)
        if saved and dataset.by_user:
            entities = await renew_caller(self.client, self.scope.users, (rows for _, rows in saved.batches()))
            return await _save(partition, entities, saved.gaps)
        if saved:
            return saved
        with Collector(self.client, self.organization) as found:
            if earlier:
                await self._take_again(found, dataset, earlier)
            else:
                self._refuse_unknown_ids()
                await take(found, self.scope, dataset)
            return await _save(partition, found.entities(), found.gaps())

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
                await take(found, self.scope, dataset, earlier.short_kinds)
        except AuditError as error:
            if error.reach > Reach.KIND:
                raise
            found.unlisted = dict.fromkeys(earlier.short_kinds, str(error))

    def _refuse_unknown_ids(self) -> None:
        snapshot = self.scope.retry_failed
        if snapshot and snapshot.manifest.scope.entity_ids is not None:
            raise UsageError(
                f"snapshot {snapshot.manifest.snapshot_id} was to read workspaces selected by id, which could not be "
                "listed, so their ids are unknown: run again with --workspace-id or --ids-from"
            )


async def take(found: Collector, scope: RunScope, dataset: Dataset, kinds: Collection[str] | None = None) -> None:
    """List the entities of an organization for a dataset.

    Args:
        found: collects them.
        scope: of the run.
        dataset: what is to be read of the entities.
        kinds: only entities of these kinds.

    Raises:
        RefusedError: the token may list none of the kinds of entity.
        StoppedError: a listing could not be finished.
    """
    if dataset.by_user:
        await take_users(found, scope.users)
    else:
        wanted = [kind for kind in scope.kinds_of(dataset) if kinds is None or kind in kinds]
        await take_inventory(found, wanted, scope.wanted)


async def _save(partition: Partition, entities: Iterator[pa.Table], gaps: Gaps) -> Inventory:
    inventory = await in_thread(partition.save_inventory, entities, gaps)
    # Sorting takes more memory than crawling does.
    pa.default_memory_pool().release_unused()
    return inventory
