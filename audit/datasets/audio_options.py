"""Audio options of users: how they join the audio of meetings, with which numbers, and with how good a PIN.

Sources: "Get Audio Options" of the Webex API reference, and the schemas `AudioObject` and
`SitesObject` of the official OpenAPI document. The PIN is a credential: `censor` replaces it with its
status before any other code sees an answer.
"""

import re
from collections.abc import Collection
from itertools import pairwise

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from audit.columns import column
from audit.datasets.dataset import SUBJECT_SCHEMA, ByUser, Dataset, Request, site_of
from audit.entity import Entity, EntityType
from audit.untrusted.bounds import VALUES
from audit.untrusted.decoding import may_hold_more
from audit.untrusted.unknown import ODD_NAME, name_of_unknown

_PATH = "/meetingPreferences/audio"
_SITES_PATH = "/meetingPreferences/sites"
_PIN_STATUS = "audioPinStatus"
_PIN_DIGITS = 4

_NUMBER = pa.struct(
    [
        ("countryCode", pa.string()),
        ("number", pa.string()),
        ("enabledCallInAuthentication", pa.bool_()),
        ("enabledCallMe", pa.bool_()),
    ]
)
_ANSWER = pa.schema(
    [
        ("defaultAudioType", pa.string()),
        ("otherTeleconferenceDescription", pa.string()),
        ("enabledGlobalCallIn", pa.bool_()),
        ("enabledTollFree", pa.bool_()),
        ("enabledAutoConnection", pa.bool_()),
        (_PIN_STATUS, pa.string()),
        ("officeNumber", _NUMBER),
        ("mobileNumber", _NUMBER),
    ]
)

_SUBJECT = [SUBJECT_SCHEMA.field(name) for name in SUBJECT_SCHEMA.names if not name.startswith("location_")]
_ABSENT = "absent in the answer"


def _number_columns(name: str) -> list[pa.Field]:
    return [
        column(f"{name}_country_code", pa.string(), f"`{name}Number.countryCode`", _ABSENT),
        column(f"{name}_number", pa.string(), f"`{name}Number.number`", _ABSENT),
        column(f"{name}_call_in_authentication", pa.bool_(), f"`{name}Number.enabledCallInAuthentication`", _ABSENT),
        column(f"{name}_call_me", pa.bool_(), f"`{name}Number.enabledCallMe`", _ABSENT),
    ]


_SCHEMA = pa.schema(
    [
        *_SUBJECT,
        column("default_audio_type", pa.string(), "`defaultAudioType`"),
        column("other_teleconference_description", pa.string(), "`otherTeleconferenceDescription`", _ABSENT),
        column("enabled_global_call_in", pa.bool_(), "`enabledGlobalCallIn`", _ABSENT),
        column("enabled_toll_free", pa.bool_(), "`enabledTollFree`", _ABSENT),
        column("enabled_auto_connection", pa.bool_(), "`enabledAutoConnection`", _ABSENT),
        column("audio_pin_status", pa.string(), "what `audioPin` is: `unset`, `ok`, `sequential` (such as 1234 or "
               "4321), `repeated` (such as 1111), `malformed` (not 4 digits); the PIN itself is not kept"),
        *_number_columns("office"),
        *_number_columns("mobile"),
    ]
)  # fmt: skip


def pin_status(pin: object) -> str:
    """Rate a PIN by the API's own rules: `unset`, `ok`, `sequential`, `repeated` or `malformed`."""
    if pin is None or pin == "":
        return "unset"
    text = str(pin)
    if isinstance(pin, bool) or not re.fullmatch(f"[0-9]{{{_PIN_DIGITS}}}", text):
        return "malformed"
    if len(set(text)) == 1:
        return "repeated"
    steps = {int(later) - int(earlier) for earlier, later in pairwise(text)}
    return "sequential" if steps in ({1}, {-1}) else "ok"


def _censor(body: bytes) -> bytes:
    if may_hold_more(body, VALUES):
        raise ValueError(f"there are more than {VALUES:,} values")
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    pin = fields.pop("audioPin", msgspec.Raw(b"null"))
    try:
        status = pin_status(msgspec.json.decode(pin))
    except ValueError:
        status = "malformed"  # such as 1e999
    types = {field.name: field.type for field in _ANSWER}
    kept = {_name(name, types): _without_strange(value, types.get(name)) for name, value in fields.items()}
    kept[_PIN_STATUS] = msgspec.Raw(msgspec.json.encode(status))
    return msgspec.json.encode(kept)


def _without_strange(value: msgspec.Raw, known: pa.DataType | None) -> msgspec.Raw:
    """Drop from a value what no table holds: a PIN may hide there, and a run writes answers to the disk.

    The names of unknown fields stay, because they are counted (`_name`).
    """
    begin = bytes(value).lstrip()[:1]
    if known is None:
        return value if begin == b"n" else msgspec.Raw(b"true")
    if begin == b"{" and pa.types.is_struct(known):
        types = {known.field(index).name: known.field(index).type for index in range(known.num_fields)}
        fields = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        kept = {_name(name, types): _without_strange(each, types.get(name)) for name, each in fields.items()}
        return msgspec.Raw(msgspec.json.encode(kept))
    return msgspec.Raw({b"{": b"{}", b"[": b"[]"}.get(begin, bytes(value)))


def _name(name: str, known: Collection[str]) -> str:
    """The name of a field; of an unknown field only if it has too few digits for a PIN."""
    is_without_pin = name in known or sum(map(str.isdigit, name)) < _PIN_DIGITS
    return name_of_unknown(name) if is_without_pin else ODD_NAME


def _query(entity: Entity, site_url: str | None) -> dict[str, str]:
    user = {"userEmail": entity.email} if entity.email else {}
    return user | ({"siteUrl": site_url} if site_url else {})


def _read_sites(body: bytes) -> list[str]:
    if may_hold_more(body, VALUES):
        raise ValueError(f"there are more than {VALUES:,} values")
    sites = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get("sites")
    try:
        items = msgspec.json.decode(sites or b"null", type=list[dict[str, msgspec.Raw]])
        return sorted({site_of(msgspec.json.decode(item["siteUrl"], type=str)) for item in items})
    except (ValueError, KeyError):
        raise ValueError("the answer is not a list of sites") from None


def _flatten(subject: pa.Table, answers: pa.Table) -> dict[str, pa.Table]:
    numbers = [
        pc.struct_field(answers[name], index)
        for name in ("officeNumber", "mobileNumber")
        for index in range(_NUMBER.num_fields)
    ]
    plain = [answers[name] for name in _ANSWER.names if name not in ("officeNumber", "mobileNumber")]
    of_user = [subject[field.name] for field in _SUBJECT]
    return {"audio_options": pa.table([*of_user, *plain, *numbers], schema=_SCHEMA)}


AUDIO_OPTIONS = Dataset(
    name="audio_options",
    scopes={EntityType.PERSON: "meeting:admin_preferences_read"},
    request=lambda entity, site_url: Request(_PATH, _query(entity, site_url)),
    answer=_ANSWER,
    required=("defaultAudioType",),
    tables={"audio_options": _SCHEMA},
    flatten=_flatten,
    by_user=ByUser(
        own_scope="meeting:preferences_read",
        sites=lambda entity, site_url: Request(_SITES_PATH, _query(entity, site_url)),
        read_sites=_read_sites,
    ),
    censor=_censor,
)
