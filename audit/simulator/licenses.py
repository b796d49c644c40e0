"""The licenses of an organization."""

from dataclasses import dataclass

from audit.simulator.seed import Json, Seed, webex_id

PROFESSIONAL = "Webex Calling - Professional"
BASIC = "Webex Calling - Basic"
WORKSPACES = "Webex Calling - Workspaces"
MEETINGS = "Webex Meetings Suite"
MESSAGING = "Messaging"
#: The short form of each name in the id of the license.
_KINDS = {PROFESSIONAL: "BCSTD", BASIC: "BCBAS", WORKSPACES: "BCWKS", MEETINGS: "EE", MESSAGING: "MS"}


@dataclass(frozen=True)
class Licenses:
    """The licenses that an organization has bought.

    Attributes:
        seed: determines the ids.
        default_site: the site of the meetings license.
        consumed: units in use, by name.
    """

    seed: Seed
    default_site: str
    consumed: tuple[tuple[str, int], ...]

    def id(self, name: str) -> str:
        """The id of a license, which also names the organization."""
        index = list(_KINDS).index(name)
        return webex_id(
            "LICENSE", f"{self.seed.uuid('organization', 0)}:{_KINDS[name]}_{self.seed.uuid('bought', index)}"
        )

    def items(self) -> list[Json]:
        """The items of `GET /licenses`."""
        return [self._item(name, units) for name, units in self.consumed]

    def _item(self, name: str, units: int) -> Json:
        item: Json = {"id": self.id(name), "name": name, "totalUnits": units + 50, "consumedUnits": units}
        is_workspaces = name == WORKSPACES
        item |= {
            "consumedByUsers": 0 if is_workspaces else units,
            "consumedByWorkspaces": units if is_workspaces else 0,
        }
        if name == MEETINGS:
            item |= {"siteUrl": self.default_site, "siteType": "Control Hub managed site"}
        return item
