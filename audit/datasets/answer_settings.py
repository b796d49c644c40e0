"""Answer settings: whether a device answers ordinary calls by itself.

Sources: "Get Answer Settings for a Workspace" of the official OpenAPI document (schema
`GetWorkspaceAnswerSettingsObject`), and wxc_sdk 1.41 for people and virtual lines. The operations came in the second
half of 2026, so the API of an organization may not know them yet.
"""

import pyarrow as pa

from audit.columns import IDENTITY_SCHEMA, column
from audit.datasets.dataset import Dataset, Request, path_of
from audit.entity import EntityType

_ABSENT = "absent in the answer"
_SCOPE = "spark-admin:telephony_config_read"
_SETTINGS = {
    "autoAnswerEnabled": column(
        "auto_answer_enabled", pa.bool_(), "`autoAnswerEnabled`: whether ordinary calls are answered without anyone"
    ),
    "preferredAnswerEndpointRequired": column(
        "preferred_answer_endpoint_required",
        pa.bool_(),
        "`preferredAnswerEndpointRequired`: whether calls are answered only if an endpoint is preferred",
        _ABSENT,
    ),
    "preferredAnswerEndpointId": column(
        "preferred_answer_endpoint_id", pa.string(), "`preferredAnswerEndpointId`", _ABSENT
    ),
    "preferredAnswerEndpointType": column(
        "preferred_answer_endpoint_type",
        pa.string(),
        "`preferredAnswerEndpointType`: `WEBEX_APP_DESKTOP`, `PRIMARY_DEVICE`, `NON_PRIMARY_DEVICE`, "
        "`HOTDESK_DEVICE`, `NONE`, or as it came",
        _ABSENT,
    ),
    "preferredAnswerEndpointIdType": column(
        "preferred_answer_endpoint_id_type",
        pa.string(),
        "`preferredAnswerEndpointIdType`: `APPLICATION`, `CALLING_DEVICE`, `HOTDESKING_GUEST`, or as it came",
        _ABSENT,
    ),
    "isPreferredEndpointClearableByPerson": column(
        "preferred_endpoint_clearable_by_person", pa.bool_(), "`isPreferredEndpointClearableByPerson`", _ABSENT
    ),
}
_ANSWER = pa.schema([(name, field.type) for name, field in _SETTINGS.items()])
_TABLE = pa.schema([*IDENTITY_SCHEMA, *_SETTINGS.values()])

_PATHS = {
    EntityType.WORKSPACE: "/telephony/config/workspaces/{}/answerSettings",
    EntityType.PERSON: "/telephony/config/people/{}/answerSettings",
    EntityType.VIRTUAL_LINE: "/telephony/config/virtualLines/{}/answerSettings",
}


def _flatten(subject: pa.Table, answers: pa.Table) -> dict[str, pa.Table]:
    columns = [*subject.select(IDENTITY_SCHEMA.names).columns, *(answers[name] for name in _ANSWER.names)]
    return {"answer_settings": pa.table(columns, schema=_TABLE)}


ANSWER_SETTINGS = Dataset(
    name="answer_settings",
    scopes=dict.fromkeys(_PATHS, _SCOPE),
    request=lambda entity, _: Request(path_of(_PATHS[entity.entity_type], entity)),
    answer=_ANSWER,
    # The second required field of the document is not: an answer without it still says what matters.
    required=("autoAnswerEnabled",),
    tables={"answer_settings": _TABLE},
    flatten=_flatten,
    is_new=True,
    # wxc_sdk 1.41 reads workspaces there.
    other_paths={EntityType.WORKSPACE: "/workspaces/{}/answerSettings"},
)
