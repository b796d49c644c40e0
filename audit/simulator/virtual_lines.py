"""The virtual lines of an organization: numbers without an account."""

from collections.abc import Callable
from dataclasses import dataclass

from audit.simulator import names
from audit.simulator.seed import Json, Seed

_SHARE_ODD = 0.3
_ABSENT = "absent"
#: Content of listings that is easy to forget, as changes of an ordinary item.
_ODDITIES: tuple[Callable[[Json], Json], ...] = (
    lambda _item: {"firstName": _ABSENT},
    lambda _item: {"firstName": _ABSENT, "lastName": _ABSENT},
    lambda _item: {"number": {"primary": True}},
    lambda item: {"number": {"extension": item["number"]["extension"], "primary": "true"}},
    lambda _item: {"firstName": names.HOSTILE[0], "lastName": "."},
    lambda _item: {"externalCallerIdNamePolicy": "OTHER", "customExternalCallerIdName": names.HOSTILE[6]},
)


@dataclass(frozen=True)
class VirtualLines:
    """All virtual lines.

    Attributes:
        seed: determines everything.
        odd: mix in undocumented content.
        count: number of virtual lines.
        locations: the locations where they may be.
    """

    seed: Seed
    odd: bool
    count: int
    locations: list[Json]

    def item(self, index: int) -> Json:
        """An item of the list."""
        dice = self.seed.dice("virtual_line_details", index)
        first, last, extension = dice.choice(names.FIRST_NAMES), dice.choice(names.LAST_NAMES), f"6{index:03d}"
        location = dice.choice(self.locations)
        item: Json = {
            "id": self.seed.id("VIRTUAL_PROFILE", "virtual_line", index),
            "lastName": last,
            "firstName": first,
            "callerIdLastName": last,
            "callerIdFirstName": first,
            "callerIdNumber": f"+1555867{index % 10_000:04d}",
            "externalCallerIdNamePolicy": dice.choice(("DIRECT_LINE", "LOCATION")),
            "number": {"external": f"+1555867{index % 10_000:04d}", "extension": extension, "primary": True},
            "location": {"name": location["name"], "id": location["id"]},
            "numberOfDevicesAssigned": dice.randint(0, 3),
            "billingPlan": dice.choice(("BCOCP1", "BCOCP1", "None")),
        }
        if dice.random() < 0.5:
            item["number"] |= {"routingPrefix": "1234", "esn": f"1234{extension}"}
        if self.odd and dice.random() < _SHARE_ODD:
            item |= dice.choice(_ODDITIES)(item)
        return {key: value for key, value in item.items() if value != _ABSENT}

    def index_of(self, virtual_line_id: str) -> int | None:
        """The index of the virtual line with this id, if there is one."""
        return self.seed.index_of("VIRTUAL_PROFILE", "virtual_line", virtual_line_id, self.count)
