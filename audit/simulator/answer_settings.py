"""Answer settings, documented and undocumented."""

from collections.abc import Callable

from audit.simulator.seed import Json, Seed

_SHARE_ON = 0.15
_SHARE_ODD = 0.1
#: Type and kind of id of each preferred endpoint.
_ENDPOINTS = (
    ("PRIMARY_DEVICE", "CALLING_DEVICE"),
    ("NON_PRIMARY_DEVICE", "CALLING_DEVICE"),
    ("WEBEX_APP_DESKTOP", "APPLICATION"),
    ("HOTDESK_DEVICE", "HOTDESKING_GUEST"),
)
#: Undocumented content of answers, as changes of an ordinary answer.
_ODDITIES: tuple[Callable[[Json], Json], ...] = (
    lambda _: {"autoAnswerDelay": 3},
    lambda _: {"preferredAnswerEndpointType": "WATCH"},
    lambda answer: {"autoAnswerEnabled": str(answer["autoAnswerEnabled"]).lower()},
    lambda _: {"preferredAnswerEndpointId": None, "preferredAnswerEndpointType": None},
)


def settings(seed: Seed, kind: str, index: int, *, odd: bool) -> Json:
    """An answerSettings answer.

    Args:
        seed: determines the settings.
        kind: `workspace`, `person` or `virtual_line`.
        index: the index of the entity.
        odd: mix in undocumented content.
    """
    dice = seed.dice(f"answer_settings/{kind}", index)
    answer: Json = {"autoAnswerEnabled": dice.random() < _SHARE_ON, "preferredAnswerEndpointRequired": False}
    if dice.random() < 0.5:
        endpoint_type, id_type = dice.choice(_ENDPOINTS)
        answer |= {
            "preferredAnswerEndpointRequired": dice.random() < 0.5,
            "preferredAnswerEndpointId": seed.id(id_type, f"endpoint/{kind}", index),
            "preferredAnswerEndpointType": endpoint_type,
            "preferredAnswerEndpointIdType": id_type,
        }
    else:
        answer["preferredAnswerEndpointType"] = "NONE"
    if kind == "person":
        answer["isPreferredEndpointClearableByPerson"] = dice.random() < 0.5
    return answer | (dice.choice(_ODDITIES)(answer) if odd and dice.random() < _SHARE_ODD else {})
