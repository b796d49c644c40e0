"""One organization of a run: when it fails, the others go on."""

import logging
from collections.abc import Mapping

from audit.errors import AuditError, RefusedError
from audit.inventory.organizations import Organization
from audit.output.context import ContextTable
from audit.output.draft import Draft
from audit.output.inventory import Inventory
from audit.output.org_parts import OrgParts
from audit.run.dataset import DatasetAudit
from audit.run.inventories import Inventories
from audit.run.job import Job
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.snapshot.org import Limit
from audit.threads import in_thread
from audit.webex.client import Client
from audit.webex.rate import Belief

log = logging.getLogger(__name__)


class OrganizationAudit:
    """Audits one organization.

    Args:
        organization: the organization.
        client: with a pace of its own.
        draft: keeps what was read.
        job: what to audit, and how.

    Attributes:
        belief: what the audit found out of the limit on requests; None if nothing was throttled.
    """

    def __init__(self, organization: Organization, client: Client, draft: Draft, job: Job) -> None:
        self.organization = organization
        self.client = client
        self.belief: Belief | None = None
        self._draft = draft
        inventories = Inventories(client, organization, job.scope, draft.context(organization.org_id))
        self._datasets = [
            DatasetAudit(each, organization, client, draft.partition(organization.org_id, each.name), job, inventories)
            for each in job.scope.datasets
        ]

    async def run(self) -> None:
        """Audit each dataset.

        Raises:
            TokenRefusedError: the token is refused, for all organizations.
            RefusedError: the token may not read any of it; nothing is kept.
            StoppedError: it does not answer; the answers so far are kept for a resumed run.
            UsageError: the snapshot to retry does not hold it.
            OSError: a part can't be written.
        """
        with self.client.pace.at_work():
            refused = [await each.run() for each in self._datasets]
        reasons: list[RefusedError] = [error for errors in refused for error in errors.values()]
        is_all = all(errors.keys() >= set(each.kinds) for each, errors in zip(self._datasets, refused, strict=True))
        if is_all and not await in_thread(self._has_answers):
            await in_thread(self._draft.forget, self.organization.org_id)
            raise reasons[0]
        for reason in {str(reason): reason for reason in reasons}.values():
            log.warning("%s: %s", self.organization.name or self.organization.org_id, reason)

    def _has_answers(self) -> bool:
        return any(each.has_answers() for each in self._datasets)

    def give_up(self, error: AuditError) -> None:
        """Give each entity without an outcome the outcome `timeout`; a resumed run asks for it anew.

        Args:
            error: what stopped the organization.
        """
        taken = self._inventories()
        if not taken:
            return
        for each in self._datasets:
            if inventory := taken.get(each.name):
                each.give_up(inventory, error)
            else:
                each.refuse(error)

    def parts(self, error: AuditError | None) -> OrgParts:
        """What to commit: the draft holds everything, also what a worker elsewhere has read.

        Args:
            error: what stopped the organization, if something did.
        """
        inventories = self._inventories()
        return OrgParts(
            self.organization.org_id,
            self.organization.name,
            inventories,
            is_refused=isinstance(error, RefusedError),
            message=str(error) if error else None,
            webex_id=self.organization.webex_id,
            doubts={each.name: found for each in self._datasets if (found := each.doubts())},
            unoffered={each.name: found for each in self._datasets if (found := each.unoffered())},
            other_paths={each.name: found for each in self._datasets if (found := each.other_paths())},
            forbidden={each.name: found for each in self._datasets if (found := each.forbidden())},
            limit=_limit(self.belief) if self.belief and self.belief.kind != "none" else None,
            context=self._context(inventories),
        )

    def _context(self, inventories: Mapping[str, Inventory]) -> dict[str, ContextTable]:
        """The context tables: the devices are those of the first inventory whose listing gave them."""
        context = self._draft.context(self.organization.org_id)
        name = next((each.gaps.devices for each in inventories.values() if each.gaps.devices), None)
        devices = context.table(WORKSPACE_DEVICES, name) if name else None
        return {WORKSPACE_DEVICES: devices} if devices else {}

    def _inventories(self) -> dict[str, Inventory]:
        return self._draft.inventories(self.organization.org_id, [each.name for each in self._datasets])


def _limit(belief: Belief) -> Limit:
    return Limit(belief.kind, str(belief), belief.per_s)
