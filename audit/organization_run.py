"""One organization of a run, from its inventories to its last part: a failure domain of its own."""

import logging
from collections.abc import Collection, Iterable
from functools import partial

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from audit import memory
from audit.clock import Clock
from audit.config import Settings
from audit.crawl import crawl, give_up
from audit.datasets import Dataset
from audit.earlier import Earlier
from audit.entity import EntityType, Inventory, inventory_table
from audit.errors import AuditError, DeadlineError, RefusedError, StoppedError, UsageError
from audit.inventory import renew_caller, take_inventory, take_users
from audit.organizations import Organization
from audit.outcome import Outcome
from audit.own_data import OwnDataGuard
from audit.progress import Progress
from audit.reading import Reader
from audit.scope import RunScope
from audit.snapshot.commit import OrgParts
from audit.snapshot.coverage import COVERAGE
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
        if rate_per_s := memory.recall_rate(self._client.base_url, self._org_id):
            self._client.pace.start_from(rate_per_s)
        try:
            with self._client.pace.at_work():
                for dataset in self._scope.datasets:
                    await self._audit(dataset)
        finally:
            if rate_per_s := self._client.pace.settled_per_s:
                memory.remember_rate(self._client.base_url, self._org_id, rate_per_s)
        wanted = {(dataset.name, kind) for dataset in self._scope.datasets for kind in self._scope.kinds_of(dataset)}
        if wanted <= self._refused.keys() and not self._has_answers():
            self._draft.forget(self._org_id)
            self._inventories = {}
            raise next(iter(self._refused.values()))
        for reason in dict.fromkeys(map(str, self._refused.values())):
            log.warning("%s: %s", self.organization.name or self._org_id, reason)

    def give_up(self) -> None:
        """Give each entity that has no outcome yet the one that `error` is for it; a resumed run asks for it anew."""
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
        organization = self.organization
        return OrgParts(self._org_id, organization.name, self._inventories, is_refused, message, organization.webex_id)

    def _has_answers(self) -> bool:
        """Whether something was answered otherwise than with 403, by a run before at the least."""
        parts = (part for name in self._inventories for part in self._draft.read_parts(self._org_id, name, COVERAGE))
        return any(
            pc.any(pc.and_(pc.greater(part["attempts"], 0), pc.not_equal(part["outcome"], Outcome.FORBIDDEN))).as_py()
            for part in parts
        )

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
        self._refused |= {(dataset.name, kind): refusal for kind, refusal in refused.items()}

    async def _inventory(self, dataset: Dataset, earlier: Earlier | None) -> Inventory:
        """That of the run that this one resumes, or that of the snapshot that is retried, or a new one."""
        inventory = self._draft.load_inventory(self._org_id, dataset.name)
        if inventory and dataset.by_user:
            return await renew_caller(self._client, self._scope.users, inventory)
        if inventory is None:
            if earlier:
                inventory = await self._retried(dataset, earlier)
            else:
                self._refuse_unknown_ids()
                inventory = await take(self._client, self.organization, self._scope, dataset)
            self._draft.save_inventory(self._org_id, dataset.name, inventory)
        return inventory

    async def _retried(self, dataset: Dataset, earlier: Earlier) -> Inventory:
        """The entities of an earlier snapshot, and those of kinds that could not be listed then."""
        entities = earlier.entities()
        if dataset.by_user and not earlier.unlisted:
            ids = [entity.entity_id for entity in entities]
            return await take_users(self._client, self.organization, self._scope.users, ids)
        if not earlier.unlisted:
            return Inventory(inventory_table(entities))
        self._refuse_unknown_ids()
        try:
            now = await take(self._client, self.organization, self._scope, dataset, earlier.unlisted)
        except (TokenRefusedError, DeadlineError):
            raise
        except (RefusedError, StoppedError) as error:
            return Inventory(inventory_table(entities), dict.fromkeys(earlier.unlisted, str(error)))
        table = pa.concat_tables([inventory_table(entities), now.entities])
        return Inventory(table.sort_by("entity_id"), now.unlisted)

    def _refuse_unknown_ids(self) -> None:
        snapshot = self._scope.retry_failed
        if snapshot and snapshot.manifest.scope.entity_ids is not None:
            raise UsageError(
                f"snapshot {snapshot.manifest.snapshot_id} is of workspaces that were named by id and could not be "
                "listed, so that their ids are not known: run again with --workspace-id or --ids-from"
            )

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
        return Earlier(snapshot, self._org_id, dataset, entry.unlisted.get(dataset.name)) if entry.is_audited else None

    async def _crawl(
        self, dataset: Dataset, inventory: pa.Table, earlier: Earlier | None
    ) -> dict[EntityType, ScopeError]:
        guard = await self._guard(dataset, inventory)
        reader = Reader(self._client, dataset, self.organization, self._scope.sites, guard)
        is_resumed = self._draft.has_part(self._org_id, dataset.name, 0)
        refused = await crawl(
            self._client,
            dataset,
            self._org_id,
            reader,
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
        if dataset.by_user and not is_resumed and not earlier:
            for site_url in set(self._scope.sites) - reader.found_sites:
                log.warning("--site %s: no user is on this meeting site", site_url)
        return refused

    async def _guard(self, dataset: Dataset, inventory: pa.Table) -> OwnDataGuard | None:
        """Needed as soon as others than the caller are asked for."""
        others = pc.and_(pc.invert(inventory["is_caller"]), pc.is_null(inventory["known_outcome"]))
        if dataset.by_user is None or not pc.any(others).as_py():
            return None
        return await OwnDataGuard.begin(self._client, dataset, dataset.by_user)

    def _give_up(self, dataset: Dataset, outcome: Outcome, error: AuditError) -> None:
        give_up(
            dataset,
            self._org_id,
            self._inventories[dataset.name].entities,
            partial(self._write_part, dataset.name, is_given_up=outcome is Outcome.TIMEOUT),
            outcome,
            error,
            partial(self._draft.has_part, self._org_id, dataset.name),
            self._earlier(dataset),
        )

    def _write_part(
        self,
        dataset: str,
        index: int,
        tables: dict[str, pa.Table],
        unknown_fields: dict[str, int],
        *,
        is_given_up: bool = False,
    ) -> None:
        facts = PartFacts(unknown_fields, requests_of(self._client), is_given_up)
        self._draft.write_part(self._org_id, dataset, index, tables, facts)


async def take(
    client: Client,
    organization: Organization,
    scope: RunScope,
    dataset: Dataset,
    kinds: Collection[str] | None = None,
) -> Inventory:
    """The inventory of an organization for a dataset.

    Args:
        client: the API.
        organization: whose.
        scope: of the run.
        dataset: what is to be read.
        kinds: of these kinds of entity only.

    Raises:
        RefusedError: the token may list none of the kinds of entity.
        StoppedError: a listing could not be finished.
    """
    if dataset.by_user:
        return await take_users(client, organization, scope.users)
    wanted = [kind for kind in scope.kinds_of(dataset) if kinds is None or kind in kinds]
    return await take_inventory(client, organization, wanted, scope.wanted)


def _unlisted(kinds: Iterable[EntityType], error: AuditError) -> Inventory:
    return Inventory(inventory_table([]), dict.fromkeys(map(str, kinds), str(error)))


def requests_of(client: Client) -> Requests:
    """The requests that a client, and those beside it, have made."""
    return msgspec.convert(client.count, Requests, from_attributes=True)
