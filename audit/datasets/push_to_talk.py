"""Push-to-Talk: who may open the microphone of a device that auto-answers.

Sources: "Read Push-to-Talk Settings for a Workspace" (for a Person, for a Virtual Line) of the Webex
API reference, and the schemas `PushToTalkInfo`, `MonitoredPersonObject` and `PushToTalkNumberObject` of
the official OpenAPI document, where only examples have the `location` of a member.
"""

import re
from functools import lru_cache

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from audit.columns import IDENTITY_SCHEMA, column
from audit.datasets.dataset import Dataset, Request, path_of
from audit.datasets.lists import explode, explode_outer
from audit.entity import EntityType

#: `phonenumbers` alone also accepts words around a number, letters for digits, and extensions.
_INTERNATIONAL = re.compile(r"\+[0-9][0-9 ().-]*")

_NUMBER = pa.struct(
    [
        ("external", pa.string()),
        ("extension", pa.string()),
        ("routingPrefix", pa.string()),
        ("esn", pa.string()),
        ("primary", pa.bool_()),
    ]
)
_MEMBER = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("firstName", pa.string()),
        ("lastName", pa.string()),
        ("displayName", pa.string()),
        ("email", pa.string()),
        ("location", pa.struct([("id", pa.string()), ("name", pa.string())])),
        ("numbers", pa.list_(_NUMBER)),
    ]
)
_ANSWER = pa.schema(
    [
        ("allowAutoAnswer", pa.bool_()),
        ("connectionType", pa.string()),
        ("accessType", pa.string()),
        ("members", pa.list_(_MEMBER)),
    ]
)

_SETTINGS = [
    column("allow_auto_answer", pa.bool_(), "`allowAutoAnswer`: whether Push-to-Talk is on"),
    column("connection_type", pa.string(), "`connectionType`: `ONE_WAY`, `TWO_WAY`, or as it came"),
    column("access_type", pa.string(), "`accessType`: `ALLOW_MEMBERS`, `BLOCK_MEMBERS`, or as it came"),
]
_SETTINGS_SCHEMA = pa.schema(
    [*IDENTITY_SCHEMA, *_SETTINGS, column("member_count", pa.int32(), "how many `members` there are")]
)
_ABSENT = "absent in the answer"
_NO_NUMBER = "the member has no numbers"
_ABSENT_NUMBER = f"{_ABSENT}, or {_NO_NUMBER}"
_MEMBERS_SCHEMA = pa.schema(
    [
        *IDENTITY_SCHEMA,
        *_SETTINGS,
        column("member_position", pa.int32(), "place in `members`, from 0"),
        column("member_id", pa.string(), "`members[].id`", _ABSENT),
        column("member_type", pa.string(), "`members[].type`: `PEOPLE`, or as it came", _ABSENT),
        column("member_first_name", pa.string(), "`members[].firstName`", _ABSENT),
        column("member_last_name", pa.string(), "`members[].lastName`", _ABSENT),
        column("member_display_name", pa.string(), "`members[].displayName`", _ABSENT),
        column("member_email", pa.string(), "`members[].email`", _ABSENT),
        column("member_location_id", pa.string(), "`members[].location.id`", _ABSENT),
        column("member_location_name", pa.string(), "`members[].location.name`, or `location` as a text", _ABSENT),
        column("number_position", pa.int32(), "place in `members[].numbers`, from 0", _NO_NUMBER),
        column("number_external", pa.string(), "`members[].numbers[].external`, as it came", _ABSENT_NUMBER),
        column("number_extension", pa.string(), "`members[].numbers[].extension`", _ABSENT_NUMBER),
        column("number_routing_prefix", pa.string(), "`members[].numbers[].routingPrefix`", _ABSENT_NUMBER),
        column("number_esn", pa.string(), "`members[].numbers[].esn`", _ABSENT_NUMBER),
        column("number_primary", pa.bool_(), "`members[].numbers[].primary`", _ABSENT_NUMBER),
        column("number_valid", pa.bool_(), "whether `number_external` is a valid E.164 number, by `phonenumbers`",
               "there is no `number_external`"),
    ]
)  # fmt: skip

_PATHS = {
    EntityType.WORKSPACE: "/telephony/config/workspaces/{}/pushToTalk",
    EntityType.PERSON: "/people/{}/features/pushToTalk",
    EntityType.VIRTUAL_LINE: "/telephony/config/virtualLines/{}/pushToTalk",
}


def _flatten(subject: pa.Table, answers: pa.Table) -> dict[str, pa.Table]:
    identity = subject.select(IDENTITY_SCHEMA.names)
    settings = [*identity.columns, *(answers[name] for name in ("allowAutoAnswer", "connectionType", "accessType"))]
    member_lists = answers["members"].combine_chunks()
    counts = pc.fill_null(pc.list_value_length(member_lists), 0)
    return {
        "push_to_talk": pa.table([*settings, counts.cast(pa.int32())], schema=_SETTINGS_SCHEMA),
        "push_to_talk_members": _members(
            pa.table(settings, names=_MEMBERS_SCHEMA.names[: len(settings)]), member_lists
        ),
    }


def _members(settings: pa.Table, member_lists: pa.Array) -> pa.Table:
    entity_rows, member_positions, members = explode(member_lists)
    member_rows, number_positions, numbers = explode_outer(pc.struct_field(members, "numbers"))
    location = pc.struct_field(members, "location")
    of_member = [
        member_positions,
        *(pc.struct_field(members, name) for name in ("id", "type", "firstName", "lastName", "displayName", "email")),
        pc.struct_field(location, "id"),
        pc.struct_field(location, "name"),
    ]
    external = pc.struct_field(numbers, "external")
    columns: list[pa.Array | pa.ChunkedArray] = [
        *settings.take(entity_rows.take(member_rows)).columns,
        *(column.take(member_rows) for column in of_member),
        number_positions,
        external,
        *(pc.struct_field(numbers, name) for name in ("extension", "routingPrefix", "esn", "primary")),
        _validity(external),
    ]
    return pa.table(columns, schema=_MEMBERS_SCHEMA)


def _validity(external: pa.Array) -> pa.Array:
    encoded = external.dictionary_encode()
    valid = pa.array([_is_valid(number) for number in encoded.dictionary.to_pylist()], pa.bool_())
    return valid.take(encoded.indices)


@lru_cache(maxsize=65_536)
def _is_valid(number: str) -> bool:
    """Whether a text is a valid international number (E.164), according to the metadata of `phonenumbers`."""
    if not _INTERNATIONAL.fullmatch(number):
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False


PUSH_TO_TALK = Dataset(
    name="push_to_talk",
    scopes={
        EntityType.WORKSPACE: "spark-admin:workspaces_read",
        EntityType.PERSON: "spark-admin:people_read",
        EntityType.VIRTUAL_LINE: "spark-admin:telephony_config_read",
    },
    request=lambda entity, _: Request(path_of(_PATHS[entity.entity_type], entity)),
    answer=_ANSWER,
    required=("allowAutoAnswer", "connectionType", "accessType"),
    tables={"push_to_talk": _SETTINGS_SCHEMA, "push_to_talk_members": _MEMBERS_SCHEMA},
    flatten=_flatten,
)
