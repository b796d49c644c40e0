"""Webex ids: base64 of a URI such as ``ciscospark://us/PLACE/<uuid>``.

Everywhere else, ids are opaque keys; only the UUID of an organization is ever read from an id. The traps (missing
padding, both alphabets, regions other than `us`) come from the REST API Basics page of developer.webex.com and from
the examples in the official specification.
"""

import base64
import binascii
import re

#: No id that the API is known to send has more than 200 characters.
_MAX_LENGTH = 1000
#: These would lead to another path.
_PATHS = frozenset({".", ".."})
#: Pattern of a UUID in lower or upper case.
UUID_PATTERN = r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
_UUID = re.compile(UUID_PATTERN)


def uri_of(webex_id: str) -> str | None:
    """The URI in an id; None if the text is not a Webex id."""
    uri = _decoded(webex_id) or ""
    return uri if uri.startswith("ciscospark://") else None


def _decoded(webex_id: str) -> str | None:
    text = webex_id.rstrip("=")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=_altchars(text), validate=True)
        return raw.decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def _altchars(text: str) -> bytes:
    return b"-_" if "-" in text or "_" in text else b"+/"


def usable(value: object) -> str | None:
    """The id, if it can name something in a request, a file and a table; else None.

    An id is a text of at most 1,000 printable characters that is not blank. It has no U+FFFD, which
    `audit.webex.body.read_body` writes for a lone surrogate: two ids could become one.
    """
    if not isinstance(value, str) or len(value) > _MAX_LENGTH or value in _PATHS:
        return None
    return value if value.strip() and value.isprintable() and "\ufffd" not in value else None


def is_uuid(text: str) -> bool:
    """Whether the text is a bare UUID."""
    return _UUID.fullmatch(text) is not None


def uuid_of(webex_id: str) -> str | None:
    """The UUID at the end of an id, in lower case; None if there is none."""
    last = (uri_of(webex_id) or "").rpartition("/")[2]
    return last.lower() if is_uuid(last) else None


def uuid_within(text: str) -> str | None:
    """The UUID of an id in any form, in lower case; None if there is none.

    The administrators' log names things by ids of the API, by the base64 of a bare UUID, and by UUIDs.
    """
    if len(text) > _MAX_LENGTH:
        return None
    for uri in (text, _decoded(text) or ""):
        if is_uuid(last := uri.rpartition("/")[2]):
            return last.lower()
    return None


def organization_id(text: str) -> str | None:
    """The id of an organization, given as an id or a bare UUID; None if the text is neither.

    The API accepts only the base64 form (it answers 400 to a bare UUID), so a UUID is converted.
    """
    if is_uuid(text):
        return base64.b64encode(f"ciscospark://us/ORGANIZATION/{text.lower()}".encode()).decode().rstrip("=")
    return text if uuid_of(text) and "/ORGANIZATION/" in (uri_of(text) or "") else None
