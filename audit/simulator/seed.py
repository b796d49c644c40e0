"""What all names, ids and settings follow from, the same for each seed."""

import base64
import hashlib
import random
import uuid
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


def webex_id(kind: str, key: str) -> str:
    """An id as the API makes them: base64 of a URI, without padding."""
    return base64.b64encode(f"ciscospark://us/{kind}/{key}".encode()).decode().rstrip("=")


@dataclass(frozen=True)
class Seed:
    """Makes ids and dice, and leads ids back to what they name."""

    number: int

    def dice(self, what: str, index: int) -> random.Random:
        """The dice of one thing, which fall the same every time."""
        return random.Random(f"{self.number}/{what}/{index}")  # noqa: S311

    def uuid(self, what: str, index: int) -> str:
        """The UUID of one thing."""
        # The index stands in the last four bytes, so that an id leads back to what it names.
        digest = hashlib.sha256(f"{self.number}/{what}/{index}".encode()).digest()[:12]
        return str(uuid.UUID(bytes=digest + index.to_bytes(4, "big"), version=4))

    def id(self, kind: str, what: str, index: int) -> str:
        """The id of one thing."""
        return webex_id(kind, self.uuid(what, index))

    def index_of(self, kind: str, what: str, webex_id: str, count: int) -> int | None:
        """Which of so many things an id names, if any."""
        try:
            uri = base64.b64decode(webex_id + "=" * (-len(webex_id) % 4)).decode()
            index = uuid.UUID(uri.rpartition("/")[2]).int & 0xFFFF_FFFF
        except ValueError:
            return None
        return index if index < count and self.id(kind, what, index) == webex_id else None
