"""The table of the administrators' log: the events between the reads of two snapshots.

Rows are sorted by `created`, then by `event_id`; an event that the API lists twice has one row. What an event says is
what Webex recorded, not what this program knows: an event may be of a failed attempt, and a change may have no event.
"""

import pyarrow as pa

from audit.columns import column

ADMIN_EVENTS = "admin_events"

_NONE = "the event has none"

ADMIN_EVENTS_SCHEMA = pa.schema(
    [
        column("org_id", pa.string(), "UUID of the organization whose log this is"),
        column("event_id", pa.string(), "`id` of the event", _NONE),
        column("created", pa.timestamp("us", "UTC"), "`created`: when Webex recorded the event",
               "the event has no usable time"),
        column("category", pa.string(), "`data.eventCategory` without a prefix: `USERS`, `WEBEX_CALLING`, or as it "
               "came", _NONE),
        column("description", pa.string(), "`data.eventDescription`", _NONE),
        column("action_text", pa.string(), "`data.actionText`, at most 4,000 characters", _NONE),
        column("target_type", pa.string(), "`data.targetType` without a prefix: `PERSON`, `ORG`, or as it came", _NONE),
        column("target_id", pa.string(), "`data.targetId`", _NONE),
        column("target_uuid", pa.string(), "the UUID in `target_id`", "`target_id` holds no UUID"),
        column("target_name", pa.string(), "`data.targetName`", _NONE),
        column("actor_id", pa.string(), "`actorId`: who did it", _NONE),
        column("actor_name", pa.string(), "`data.actorName`", _NONE),
        column("actor_email", pa.string(), "`data.actorEmail`", _NONE),
        column("actor_org_id", pa.string(), "`actorOrgId`: differs from the organization for a partner's "
               "administrator", _NONE),
        column("actor_client", pa.string(), "`data.actorClientName`, or the id of that client: the program that did it",
               "it was done in Control Hub, or nobody knows"),
        column("error_code", pa.string(), "`data.errorCode`: the attempt failed", _NONE),
        column("tracking_id", pa.string(), "`data.trackingId`", _NONE),
        column("extra", pa.string(), "all other fields as a JSON object of at most 8,000 characters, without addresses "
               "and secrets", "there are none"),
    ]
)  # fmt: skip
