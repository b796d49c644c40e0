"""Ids of the API, packed: base64 of a URI with a UUID takes 79 characters, of which the UUID's 16 bytes differ."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

_URI = re.compile(rb"([!-~]{1,60}/)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
#: Marks an id that is not of this form.
_PLAIN = "="


def packed_ids(ids: Sequence[str | None]) -> dict[str, Any]:
    """Ids as the numbers of the starts of their URIs, and their UUIDs together as base64.

    An id of another form is a start of its own, after a `=`, without a UUID.
    """
    starts: dict[str, int] = {}
    at, uuids = [], bytearray()
    for each in ids:
        start, uuid = _parts(each or "")
        at.append(starts.setdefault(start, len(starts)))
        uuids += uuid
    return {"values": list(starts), "at": at, "uuids": base64.b64encode(uuids).decode()}


def _parts(text: str) -> tuple[str, bytes]:
    try:
        uri = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        uri = b""
    found = _URI.fullmatch(uri)
    if not found or base64.b64encode(uri).decode().rstrip("=") != text:
        return _PLAIN + text, b""
    return found[1].decode(), UUID(found[2].decode()).bytes
