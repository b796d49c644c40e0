"""The table of the devices in each workspace, as the listing of the workspaces names them.

A workspace is in one of three states:

- **it has devices:** a row for each device;
- **it has no device:** one row, whose `device_id` and other columns are null. The listing gave an empty list, so this
  is certain;
- **nobody knows:** no row. The listing said nothing of its devices, or nothing usable.

So "no phone" may be said of a workspace only if it has a row without a device. `count(device_id)` counts the devices.
Rows are sorted by `workspace_id`, then by `device_id`.
"""

import pyarrow as pa

from audit.columns import column

WORKSPACE_DEVICES = "workspace_devices"

_NO_DEVICE = "the workspace certainly has no device"
_NONE_OR_UNTOLD = f"{_NO_DEVICE}, or none is listed"

WORKSPACE_DEVICES_SCHEMA = pa.schema(
    [
        column("org_id", pa.string(), "UUID of the organization"),
        column("workspace_id", pa.string(), "`id` of the workspace in the listing: `entity_id` in the other tables"),
        column("device_id", pa.string(), "`id` of the device", _NO_DEVICE),
        column("product", pa.string(), "`product`, such as `Cisco 8875`", _NONE_OR_UNTOLD),
        column("device_type", pa.string(), "`type`, such as `phone` or `roomdesk`, as it came", _NONE_OR_UNTOLD),
        column("connection_status", pa.string(), "`connectionStatus`, such as `connected`, as it came; volatile",
               _NONE_OR_UNTOLD),
        column("last_seen", pa.timestamp("us", "UTC"), "`lastSeen`; volatile",
               f"{_NO_DEVICE}, or no usable time is listed"),
    ]
)  # fmt: skip
