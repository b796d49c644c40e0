"""Paging groups: who may open the loudspeakers of which devices.

Source: "Get Details for a Paging Group" of the Webex API reference.
"""

import pyarrow as pa
import pyarrow.compute as pc

from audit.columns import IDENTITY_SCHEMA, column
from audit.datasets.dataset import Dataset, Request, path_of
from audit.datasets.lists import explode
from audit.entity import EntityType

_ABSENT = "absent in the answer"
_MEMBER = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("firstName", pa.string()),
        ("lastName", pa.string()),
        ("phoneNumber", pa.string()),
        ("extension", pa.string()),
        ("routingPrefix", pa.string()),
        ("esn", pa.string()),
    ]
)
_PLAIN = {
    "enabled": column("enabled", pa.bool_(), "`enabled`: whether the group can be called"),
    "phoneNumber": column("group_number", pa.string(), "`phoneNumber`, as it came", _ABSENT),
    "extension": column("group_extension", pa.string(), "`extension`", _ABSENT),
    "originatorCallerIdEnabled": column(
        "originator_caller_id_enabled",
        pa.bool_(),
        "`originatorCallerIdEnabled`: whether targets see who calls",
        _ABSENT,
    ),
}
#: Documented fields that no table has: the listing says the same, or they do not matter here.
_UNUSED = ("id", "name", "language", "languageCode", "firstName", "lastName", "timeZone", "routingPrefix", "esn")
_ROLES = {"originators": "ORIGINATOR", "targets": "TARGET"}
_ANSWER = pa.schema(
    [
        *((name, field.type) for name, field in _PLAIN.items()),
        *((name, pa.string()) for name in _UNUSED),
        *((name, pa.list_(_MEMBER)) for name in _ROLES),
    ]
)
_GROUPS = pa.schema(
    [
        *IDENTITY_SCHEMA,
        *_PLAIN.values(),
        column("originator_count", pa.int32(), "how many `originators` there are: those who may call"),
        column("target_count", pa.int32(), "how many `targets` there are: those whose loudspeaker opens"),
    ]
)
_MEMBERS = pa.schema(
    [
        *IDENTITY_SCHEMA,
        column("role", pa.string(), "`ORIGINATOR` (may call) or `TARGET` (its loudspeaker opens)"),
        column("member_position", pa.int32(), "place in `originators` or `targets`, from 0"),
        column("member_id", pa.string(), "`id`", _ABSENT),
        column("member_type", pa.string(), "`type`: `PEOPLE`, `PLACE`, `VIRTUAL_LINE`, or as it came", _ABSENT),
        column("member_first_name", pa.string(), "`firstName`", _ABSENT),
        column("member_last_name", pa.string(), "`lastName`", _ABSENT),
        column("number_external", pa.string(), "`phoneNumber`, as it came", _ABSENT),
        column("number_extension", pa.string(), "`extension`", _ABSENT),
        column("number_routing_prefix", pa.string(), "`routingPrefix`", _ABSENT),
        column("number_esn", pa.string(), "`esn`", _ABSENT),
    ]
)


def _flatten(subject: pa.Table, answers: pa.Table) -> dict[str, pa.Table]:
    identity = subject.select(IDENTITY_SCHEMA.names)
    lists = {name: answers[name].combine_chunks() for name in _ROLES}
    counts = [pc.fill_null(pc.list_value_length(each), 0).cast(pa.int32()) for each in lists.values()]
    groups: list[pa.Array | pa.ChunkedArray] = [*identity.columns, *(answers[name] for name in _PLAIN), *counts]
    members = [_members(identity, lists[name], role) for name, role in _ROLES.items()]
    both = pa.concat_tables(members)
    # The sort is stable: originators come before targets.
    in_order = pc.sort_indices(both["row"])
    return {
        "paging_groups": pa.table(groups, schema=_GROUPS),
        "paging_group_members": both.take(in_order).drop_columns(["row"]).cast(_MEMBERS),
    }


def _members(identity: pa.Table, lists: pa.Array, role: str) -> pa.Table:
    rows, positions, members = explode(lists)
    fields = [pc.struct_field(members, index) for index in range(_MEMBER.num_fields)]
    roles = pa.repeat(pa.scalar(role), len(rows))
    columns: list[pa.Array | pa.ChunkedArray] = [*identity.take(rows).columns, roles, positions, *fields, rows]
    return pa.table(columns, names=[*_MEMBERS.names, "row"])


PAGING_GROUPS = Dataset(
    name="paging_groups",
    scopes={EntityType.PAGING_GROUP: "spark-admin:telephony_config_read"},
    request=lambda entity, _: Request(path_of("/telephony/config/locations/{location}/paging/{}", entity)),
    answer=_ANSWER,
    required=("enabled",),
    tables={"paging_groups": _GROUPS, "paging_group_members": _MEMBERS},
    flatten=_flatten,
)
