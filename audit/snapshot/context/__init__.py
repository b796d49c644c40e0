"""Context tables: what a run learns of an organization besides the settings of its entities.

They belong to no dataset, and no entity's outcome depends on them: a run without them is not partial. An organization
names the context tables that it has (`context` of its entry in the manifest), and a table exists where an organization
has it.
"""

from collections.abc import Mapping

import pyarrow as pa

from audit.snapshot.context.admin_events import ADMIN_EVENTS, ADMIN_EVENTS_SCHEMA
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES, WORKSPACE_DEVICES_SCHEMA

#: The schema of each context table.
CONTEXT: Mapping[str, pa.Schema] = {
    WORKSPACE_DEVICES: WORKSPACE_DEVICES_SCHEMA,
    ADMIN_EVENTS: ADMIN_EVENTS_SCHEMA,
}
