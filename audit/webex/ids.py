"""Webex ids: base64 of a URI such as ``ciscospark://us/PLACE/<uuid>``.

Ids are opaque keys everywhere else; only an organization's UUID is ever read out of one. The traps
(missing padding, both alphabets, regions other than `us`) are those of the REST API Basics page of
developer.webex.com and of the examples in the official specification.
"""

import base64
import binascii
import re

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def uri_of(webex_id: str) -> str | None:
    """The URI inside an id, or None where the text is no Webex id."""
    text = webex_id.rstrip("=")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=_altchars(text), validate=True)
        uri = raw.decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return uri if uri.startswith("ciscospark://") else None


def _altchars(text: str) -> bytes:
    return b"-_" if "-" in text or "_" in text else b"+/"


def is_uuid(text: str) -> bool:
    """Whether the text is a bare UUID."""
    return _UUID.fullmatch(text) is not None


def uuid_of(webex_id: str) -> str | None:
    """The UUID that an id ends in, in lower case, or None where it ends in none."""
    last = (uri_of(webex_id) or "").rpartition("/")[2]
    return last.lower() if is_uuid(last) else None


def organization_id(text: str) -> str | None:
    """The id of an organization, given as its id or as its bare UUID; None where it is neither.

    The API takes only the base64 form (a bare UUID is answered with 400), so a UUID is converted.
    """
    if is_uuid(text):
        return base64.b64encode(f"ciscospark://us/ORGANIZATION/{text.lower()}".encode()).decode().rstrip("=")
    return text if uuid_of(text) and "/ORGANIZATION/" in (uri_of(text) or "") else None
