"""The paging groups of an organization: who may open which loudspeakers."""

from collections.abc import Callable
from dataclasses import dataclass

from audit.simulator.seed import Json, Seed


@dataclass(frozen=True)
class Paging:
    """All paging groups.

    Attributes:
        seed: determines everything.
        count: number of paging groups.
        locations: the locations where they may be.
        target: makes the target of an index.
        member: makes the person of an index, as the member of a list.
    """

    seed: Seed
    count: int
    locations: list[Json]
    target: Callable[[int], Json]
    member: Callable[[int], Json]

    def item(self, index: int) -> Json:
        """An item of the list."""
        location = self.seed.dice("paging_group", index).choice(self.locations)
        return {
            "id": self.seed.id("PAGING_GROUP", "paging_group", index),
            "name": f"Paging {location['name']} {index}",
            "extension": f"9{index:03d}",
            "locationId": location["id"],
            "locationName": location["name"],
        }

    def details(self, index: int) -> Json:
        """The answer to the read of a paging group; without originators, nobody may call it."""
        dice, item = self.seed.dice("paging_group_details", index), self.item(index)
        originators = [self.member(each) for each in range(dice.choice((0, 1, 2, 5)))]
        return {
            "id": item["id"],
            "enabled": dice.random() < 0.9,
            "name": item["name"],
            "extension": item["extension"],
            "language": "English",
            "originatorCallerIdEnabled": dice.random() < 0.5,
            "originators": [_originator(each) for each in originators],
            "targets": [self.target(index + each) for each in range(dice.choice((1, 3, 12, 40)))],
        }

    def index_of(self, paging_id: str) -> int | None:
        """The index of the paging group with this id, if there is one."""
        return self.seed.index_of("PAGING_GROUP", "paging_group", paging_id, self.count)


def _originator(member: Json) -> Json:
    number = member["numbers"][0]
    person = {name: member[name] for name in ("id", "type", "firstName", "lastName")}
    return person | {"phoneNumber": number["external"], "extension": number["extension"]}
