"""Push-to-Talk settings, documented and undocumented."""

import random
from collections.abc import Callable

from audit.simulator import names
from audit.simulator.seed import Json

_SHARE_ODD = 0.12
_ABSENT = "absent"
#: Undocumented content of answers: the changed settings, given two ordinary members.
_ODDITIES: tuple[Callable[[Json, Json], Json], ...] = (
    lambda _one, _two: {"members": _ABSENT},
    lambda _one, _two: {"members": None},
    lambda _one, _two: {"members": []},
    lambda one, two: {"members": [{**one, "numbers": []}, {**two, "numbers": None}]},
    lambda _one, _two: {"connectionType": "HALF_DUPLEX"},
    lambda one, two: {"members": [{**one, "type": "HUNT_GROUP"}, {**two, "type": "PLACE"}]},
    lambda one, _two: {
        "members": [{**one, "numbers": [{"external": "+198455501099", "extension": "0007", "primary": "true"}]}]
    },
    lambda one, _two: {"members": [{**one, "location": names.LOCATIONS[0]}]},
    lambda one, _two: {"members": [{**one, "displayName": name, "lastName": name} for name in names.HOSTILE]},
    lambda one, _two: {"members": [one, one, {"id": one["id"]}]},
    lambda one, _two: {"futureSetting": {"mode": "x"}, "members": [{**one, "presence": "active"}]},
    lambda one, _two: {
        "members": [{**one, "numbers": [{"external": "", "extension": "12", "primary": False}, {"esn": "8812"}]}]
    },
)


def settings(dice: random.Random, people: int, member: Callable[[int], Json], *, odd: bool) -> Json:
    """A pushToTalk answer.

    Args:
        dice: determines the settings.
        people: number of people to choose members from.
        member: makes the member of an index.
        odd: mix in undocumented content.
    """
    count = 0 if dice.random() < 0.15 else min(people, dice.choice((1, 2, 3, 3, 4, 6, 12, 40)))
    answer: Json = {
        "allowAutoAnswer": dice.random() < 0.7,
        "connectionType": dice.choice(("ONE_WAY", "TWO_WAY")),
        "accessType": "ALLOW_MEMBERS" if dice.random() < 0.8 else "BLOCK_MEMBERS",
        "members": [member(each) for each in dice.sample(range(people), count)],
    }
    if odd and dice.random() < _SHARE_ODD:
        one = answer["members"][0] if answer["members"] else member(0)
        answer |= dice.choice(_ODDITIES)(one, member(1))
        if answer["members"] == _ABSENT:
            del answer["members"]
    return answer
