"""What a simulated API serves, and to whom."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from audit.simulator.faults import Faults
from audit.simulator.limit import FixedWindow, Limit, LimitKind, TokenBucket
from audit.simulator.organization import Organization

#: Tokens that the simulator accepts.
ADMIN_TOKEN = "simulated-admin-token"  # noqa: S105
USER_TOKEN = "simulated-user-token"  # noqa: S105
UNSCOPED_TOKEN = "simulated-token-without-scopes"  # noqa: S105
_USER_SCOPES = frozenset({"spark:people_read", "meeting:preferences_read"})
ADMIN_SCOPES = _USER_SCOPES | {
    "audit:events_read",
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
    """What a simulated API serves.

    Attributes:
        organization: the token's own organization.
        faults: the faults.
        rate_limit_per_s: requests a second that each organization allows; None for no limit.
        limit_kind: `bucket` (refills steadily, a burst of one second) or `window` (a count for each second).
        max_page: the most items of a page, whatever `max` asks for.
        slow_s: delay of a `slow` answer in seconds.
        tokens: the scopes of each access token that is accepted.
        now_s: the clock of the rate limit, in seconds.
        log: method and path with query of each request, in order.
        customers: the other organizations that the token manages.
        refused_organizations: ids of organizations that answer every call with 403.
        faults_of: faults that replace `faults` for requests with an `orgId`, by id of the organization.
        dead_sites: meeting sites whose audio answers 503.
        client_secret: the client secret that is good; None for any.
        organizations_listed: what `GET /organizations` lists; None for the own organization and the customers.
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
    client_secret: str | None = None
    organizations_listed: tuple[Organization, ...] | None = None

    @property
    def organizations(self) -> tuple[Organization, ...]:
        """All organizations that the token may address, its own first."""
        return (self.organization, *self.customers)

    def faults_for(self, org_id: str | None) -> Faults:
        """The faults for requests to an organization; `org_id` is None if they name none."""
        return self.faults if org_id is None else self.faults_of.get(org_id, self.faults)

    def make_limit(self) -> Limit | None:
        """A rate limit for one organization; None if there is no limit."""
        if self.rate_limit_per_s is None:
            return None
        if self.limit_kind == "window":
            return FixedWindow(self.rate_limit_per_s, 1.0, self.now_s)
        return TokenBucket(self.rate_limit_per_s, max(1.0, self.rate_limit_per_s), self.now_s)
