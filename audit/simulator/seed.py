"""The source of all names, ids and settings: equal for equal seeds."""

import base64
import hashlib
import random
import uuid
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


def webex_id(kind: str, key: str) -> str:
    """An id in the form of the API: base64 of a URI, without padding."""
    return base64.b64encode(f"ciscospark://us/{kind}/{key}".encode()).decode().rstrip("=")


@dataclass(frozen=True)
class Seed:
    """Makes ids and dice, and finds the index in an id."""

    number: int

    def dice(self, what: str, index: int) -> random.Random:
        """The dice of a thing, which fall the same way every time."""
        return random.Random(f"{self.number}/{what}/{index}")  # noqa: S311

    def uuid(self, what: str, index: int) -> str:
        """The UUID of a thing."""
        # The last four bytes hold the index, so that an id leads back to its thing.
        digest = hashlib.sha256(f"{self.number}/{what}/{index}".encode()).digest()[:12]
        return str(uuid.UUID(bytes=digest + index.to_bytes(4, "big"), version=4))

    def id(self, kind: str, what: str, index: int) -> str:
        """The id of a thing."""
        return webex_id(kind, self.uuid(what, index))

    def index_of(self, kind: str, what: str, webex_id: str, count: int) -> int | None:
        """The index of the thing with this id among `count` things, if there is one."""
        try:
            uri = base64.b64decode(webex_id + "=" * (-len(webex_id) % 4)).decode()
            index = uuid.UUID(uri.rpartition("/")[2]).int & 0xFFFF_FFFF
        except ValueError:
            return None
        return index if index < count and self.id(kind, what, index) == webex_id else None
