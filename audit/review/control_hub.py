"""Pages of Control Hub, where an administrator changes what a review found.

No documentation names their addresses. Two public programs, which do not know each other, open
`/workspaces/<uuid>/overview` and `/workspaces/<uuid>/calling` with the UUID of the API's id. Nothing as good is known
of people, virtual lines and paging groups, nor of Webex for Government, so these have no page here.
"""

import base64
import binascii
import re

#: The address of a room's page; the braces stand for its UUID.
ROOM_PAGE = "https://admin.webex.com/workspaces/{}/overview"
#: Control Hub shows what this API tells, and nothing of a simulator.
_API = "https://webexapis.com/"
_MAX_CHARS = 200
_ROOM = re.compile(rb"ciscospark://[0-9A-Za-z_.:-]{1,30}/PLACE/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def has_pages(base_url: str) -> bool:
    """Whether Control Hub has pages of what was read from this API."""
    return base_url.startswith(_API)


def page_of(base_url: str, entity_type: str | None, entity_id: str | None) -> str | None:
    """The address of an entity's page; None if it is not known.

    Anybody may have written the id: only the UUID of a room's id gets into the address.

    Args:
        base_url: the API that the entity was read from.
        entity_type: the kind of entity.
        entity_id: its id.
    """
    if entity_type != "WORKSPACE" or not entity_id or len(entity_id) > _MAX_CHARS or not has_pages(base_url):
        return None
    try:
        uri = base64.b64decode(entity_id + "=" * (-len(entity_id) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    found = _ROOM.fullmatch(uri)
    return ROOM_PAGE.format(found[1].decode()) if found else None
