"""What a simulated API does, and for whom."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from audit.simulator.faults import Faults
from audit.simulator.limit import FixedWindow, Limit, LimitKind, TokenBucket
from audit.simulator.organization import Organization

#: Tokens that the simulator takes.
ADMIN_TOKEN = "simulated-admin-token"  # noqa: S105
USER_TOKEN = "simulated-user-token"  # noqa: S105
UNSCOPED_TOKEN = "simulated-token-without-scopes"  # noqa: S105
_USER_SCOPES = frozenset({"spark:people_read", "meeting:preferences_read"})
ADMIN_SCOPES = _USER_SCOPES | {
    "meeting:admin_preferences_read",
    "spark-admin:licenses_read",
    "spark-admin:locations_read",
    "spark-admin:organizations_read",
    "spark-admin:people_read",
    "spark-admin:telephony_config_read",
    "spark-admin:workspaces_read",
}
MAX_PAGE = 1000


@dataclass
class Simulation:
    """What a simulated API does.

    Attributes:
        organization: what there is to read; the token's own.
        faults: what goes wrong.
        rate_limit_per_s: requests a second to one organization that are let through; None for all.
        limit_kind: `bucket` (refills steadily, a second's worth of burst) or `window` (a count a second).
        max_page: items of a page at most, whatever `max` asks for.
        slow_s: how late a `slow` answer comes.
        tokens: access tokens that are taken, with their scopes.
        now_s: the clock of the rate limit.
        log: method and path with query of each request, in order.
        customers: what a partner's token manages besides its own organization.
        refused_organizations: ids of those where every call with `orgId` answers 403.
        faults_of: by id of an organization, what goes wrong in place of `faults` with requests that have it as `orgId`.
        dead_sites: meeting sites whose audio answers 503.
        organizations_listed: what `GET /organizations` lists; None for the own one and the customers.
    """

    organization: Organization = field(default_factory=Organization)
    faults: Faults = field(default_factory=Faults)
    rate_limit_per_s: float | None = None
    limit_kind: LimitKind = "bucket"
    max_page: int = MAX_PAGE
    slow_s: float = 2.0
    tokens: dict[str, frozenset[str]] = field(
        default_factory=lambda: {ADMIN_TOKEN: ADMIN_SCOPES, USER_TOKEN: _USER_SCOPES, UNSCOPED_TOKEN: frozenset()}
    )
    now_s: Callable[[], float] = time.monotonic
    log: list[str] = field(default_factory=list)
    customers: tuple[Organization, ...] = ()
    refused_organizations: frozenset[str] = frozenset()
    faults_of: dict[str, Faults] = field(default_factory=dict)
    dead_sites: frozenset[str] = frozenset()
    organizations_listed: tuple[Organization, ...] | None = None

    @property
    def organizations(self) -> tuple[Organization, ...]:
        """All that the token may address, its own first."""
        return (self.organization, *self.customers)

    def faults_for(self, org_id: str | None) -> Faults:
        """What goes wrong with requests to an organization; None where they name none."""
        return self.faults if org_id is None else self.faults_of.get(org_id, self.faults)

    def make_limit(self) -> Limit | None:
        """The rate limit of one organization, if there is one."""
        if self.rate_limit_per_s is None:
            return None
        if self.limit_kind == "window":
            return FixedWindow(self.rate_limit_per_s, 1.0, self.now_s)
        return TokenBucket(self.rate_limit_per_s, max(1.0, self.rate_limit_per_s), self.now_s)
