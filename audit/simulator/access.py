"""Which request may read what: tokens, scopes and organizations."""

from aiohttp import web

from audit.simulator.answers import MESSAGES, error
from audit.simulator.organization import Organization
from audit.simulator.simulation import Simulation


class RefusedError(Exception):
    """Ends a request with an error as its answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__()
        self.response = response


def refused(status: int) -> RefusedError:
    """A refusal in the words of the API."""
    return RefusedError(error(status, MESSAGES[str(status)]))


def found(index: int | None) -> int:
    """The index of a thing that was found.

    Raises:
        RefusedError: there is no such thing.
    """
    if index is None:
        raise refused(404)
    return index


def no_user(request: web.Request) -> RefusedError:
    """The refusal of an entity without Webex Calling."""
    return RefusedError(error(404, f"[Error 4008] User not found: {request.match_info['id']}", code=4008))


class Access:
    """Decides by the token and the `orgId` of a request."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def has(self, request: web.Request, *any_of: str) -> bool:
        """Whether the token has one of these scopes."""
        token = request.headers["Authorization"].partition(" ")[2]
        return not self._simulation.tokens[token].isdisjoint(any_of)

    def require(self, request: web.Request, *any_of: str) -> None:
        """Refuse a token that has none of these scopes."""
        if not self.has(request, *any_of):
            raise refused(403)

    def organization(self, request: web.Request, *any_of: str) -> Organization:
        """The organization that a request addresses: that of `orgId`, or the token's own.

        Raises:
            RefusedError: the token has none of these scopes, or may not address the organization.
        """
        self.require(request, *any_of)
        org_id = request.query.get("orgId")
        if org_id is None:
            return self._simulation.organization
        if not org_id.startswith("Y2lzY29zcGFyazov"):  # a bare UUID is not an id
            raise refused(400)
        return self.named(org_id)

    def named(self, org_id: str) -> Organization:
        """The organization with this id.

        Raises:
            RefusedError: the token may not address it.
        """
        if org_id not in self._simulation.refused_organizations:
            for organization in self._simulation.organizations:
                if organization.org_id == org_id:
                    return organization
        raise refused(403)
