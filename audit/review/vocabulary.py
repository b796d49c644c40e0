"""The words of the API and of the tables in plain English, the same in every view of a review.

Who is allowed or blocked is said in our words and, beside them, in those of Control Hub: Allowed lines, Blocked lines.
"""

from functools import cache

from audit.outcome import Outcome
from audit.snapshot.manifest import Scope
from audit.text import count_of, noun_of, plural_of

#: The outcomes that are complete answers. SQL reads them with `getvariable('complete_outcomes')`.
COMPLETE_OUTCOMES = frozenset(str(outcome) for outcome in Outcome if outcome.is_complete)

#: The ways in which rooms open by themselves, with the dataset of each.
WAYS = {"push_to_talk": "push_to_talk", "answer_settings": "answer_settings", "paging": "paging_groups"}
#: The options of `run` that read a way.
WAY_FLAGS = tuple(f"--dataset {name.replace('_', '-')}" for name in WAYS.values())

_DATASETS = {"push_to_talk": "Push-to-Talk", "audio_options": "audio options"}
_THINGS = {"WORKSPACE": ("room", "rooms"), "PERSON": ("phone of a person", "phones of people")}
_ROWS = {
    "push_to_talk": "Push-to-Talk settings",
    "push_to_talk_members": "member",
    "paging_group_members": "member of the paging group",
}
_COLUMNS = {
    "allow_auto_answer": "auto-answer",
    "auto_answer_enabled": "answers ordinary calls by itself",
    "connection_type": "direction",
    "access_type": "who may call",
    "entity_name": "name",
    "location_name": "location",
    "times_listed": "times in the list",
}
#: By column, as other columns hold names, which may be any word.
_VALUES = {
    "connection_type": {
        "TWO_WAY": "two-way (the caller can listen)",
        "ONE_WAY": "one-way (the caller only speaks)",
    },
    "access_type": {
        "ALLOW_MEMBERS": "only the members (Allowed lines)",
        "BLOCK_MEMBERS": "anyone but the members (Blocked lines)",
    },
}
_USERS = {"self": "the token's own user", "all": "all people"}
_ORGANIZATIONS = {
    "own": "the token's own organization",
    "named": "named organizations",
    "all": "all organizations that the token manages",
}


def kind_of(entity_type: str) -> str:
    """A kind of entity: `virtual line` for `VIRTUAL_LINE`."""
    return noun_of(entity_type)


def kinds_of(entity_type: str) -> str:
    """The plural of a kind of entity."""
    return plural_of(entity_type)


def thing(entity_type: str) -> str:
    """What answers a call: a workspace is a room, a person has a phone."""
    return _THINGS.get(entity_type, (kind_of(entity_type),))[0]


def device(entity_type: str) -> str:
    """What answers a call, in the words of Control Hub: a room is a workspace."""
    return kind_of(entity_type) if entity_type == "WORKSPACE" else thing(entity_type)


def things(entity_type: str) -> str:
    """The plural of `thing`."""
    return _THINGS.get(entity_type, ("", kinds_of(entity_type)))[1]


def dataset(name: str) -> str:
    """A dataset, by its name in the tables."""
    return _DATASETS.get(name, name.replace("_", " "))


def heading(text: str) -> str:
    """The same words at the beginning of a line."""
    return text[:1].upper() + text[1:]


def row(table: str) -> str:
    """What a row of a table is."""
    return _ROWS.get(table, dataset(table))


def column(name: str) -> str:
    """What a column holds."""
    return _COLUMNS.get(name, name.removeprefix("member_").replace("_", " "))


def value(column: str, text: str) -> str:
    """A value of a column. Names and words that are not documented stay as they are."""
    if column in _booleans():
        return {"true": "yes", "false": "no"}.get(text, text)
    return _VALUES.get(column, {}).get(text, text)


@cache
def _booleans() -> frozenset[str]:
    from audit.datasets import DATASETS  # noqa: PLC0415 - brings pyarrow, which all other words do without

    schemas = (schema for each in DATASETS.values() for schema in each.tables.values())
    return frozenset(field.name for schema in schemas for field in schema if str(field.type) == "bool")


def list_of(words: list[str]) -> str:
    """Words as a sentence lists them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _entities(asked: Scope, name: str) -> str:
    """The entities that a run was asked to read for a dataset."""
    if asked.entity_ids is not None:
        return f"{count_of(asked.entity_ids, 'workspace')} by id"
    kinds = [each for each in asked.entities if len(asked.datasets) == 1 or _is_read_of(name, each)]
    return f"every {list_of([kind_of(each) for each in kinds])}" if kinds else ""


def _is_read_of(name: str, kind: str) -> bool:
    """Whether a dataset is read for a kind of entity. A dataset of another version may be read for any."""
    from audit.datasets import DATASETS  # noqa: PLC0415 - brings pyarrow, which a run over one dataset does without

    return name not in DATASETS or kind in DATASETS[name].scopes


def scope(asked: Scope) -> str:
    """What a run was asked to audit."""
    users = _USERS.get(asked.users or "self") or f"{count_of(asked.user_count or 0, 'named user')}"
    where = f" on {list_of(asked.sites)}" if asked.sites else ""
    whom = {"audio_options": f"{users}{where}"}
    read: dict[str, list[str]] = {}
    for name in asked.datasets:
        read.setdefault(whom.get(name) or _entities(asked, name), []).append(dataset(name))
    what = list_of([f"{list_of(names)} of {entities}" for entities, names in read.items()])
    without = f" but {count_of(len(asked.excluded), 'of them', 'of them')}" if asked.excluded else ""
    return f"{heading(what)}, in {_ORGANIZATIONS[asked.organizations]}{without}"
