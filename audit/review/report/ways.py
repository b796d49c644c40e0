"""The ways in which rooms open by themselves, for the report: which, how many, and whether a device is there."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from audit.review.open_rooms import OPEN_ROOMS
from audit.review.report.rows import fetch
from audit.review.tables import table_names
from audit.text import count_of

#: The words of each way, in a sum and of a room.
_SUMS = {"talk": "by Push-to-Talk", "answers": "by answering ordinary calls", "paging": "by paging"}
WORDS = {"push_to_talk": "Push-to-Talk", "answer_settings": "answers ordinary calls by itself", "paging": "paging"}
#: What the search says of whoever opens a room beside Push-to-Talk.
_OTHERS = {
    "answer_settings": "whoever can dial it can listen and speak, as it answers ordinary calls by itself",
    "paging": "{} can speak into it by paging",
}

# A target of a paging group may have no id; its key stands for it.
_OPENING = """
CREATE TEMP TABLE opening AS
WITH opened AS (
    SELECT org_id, entity_type, entity_key AS entity_id, min(entity_name) AS entity_name,
           min(location_name) AS location_name,
           list(way ORDER BY list_position(['push_to_talk', 'answer_settings', 'paging'], way)) AS ways,
           coalesce(max(opener_count) FILTER (way = 'paging'), 0) AS pagers,
           bool_or(direction = 'hears and speaks') AS is_heard, bool_or(direction <> 'speaks') AS may_be_heard,
           bool_or(opened_by IN ('everyone', 'everyone but a list')) AS is_for_anyone
    FROM main_ways.way GROUP BY org_id, entity_type, entity_key
)
SELECT opened.*, coalesce(device, 'not known') AS device, epoch_ms(device_last_seen) AS seen_ms
FROM opened LEFT JOIN main_ways.device
  ON device.org_id = opened.org_id AND device.entity_id = opened.entity_id AND opened.entity_type = 'WORKSPACE'
"""
_NOTHING_OPEN = """
CREATE TEMP TABLE opening (org_id VARCHAR, entity_type VARCHAR, entity_id VARCHAR, entity_name VARCHAR,
                           location_name VARCHAR, ways VARCHAR[], pagers INTEGER, is_heard BOOLEAN,
                           may_be_heard BOOLEAN, is_for_anyone BOOLEAN, device VARCHAR, seen_ms BIGINT)
"""
_WAYS_IN = """
SELECT org_id, count(*) AS opened, count(*) FILTER (list_contains(ways, 'push_to_talk')) AS talk,
       count(*) FILTER (list_contains(ways, 'answer_settings')) AS answers,
       count(*) FILTER (list_contains(ways, 'paging')) AS paging, count(*) FILTER (len(ways) > 1) AS several,
       count(*) FILTER (is_heard) AS heard, count(*) FILTER (may_be_heard AND NOT is_heard) AS undirected,
       count(*) FILTER (is_for_anyone) AS anyone
FROM opening GROUP BY org_id
"""


@dataclass(frozen=True)
class WaysIn:
    """How many rooms open by themselves.

    Attributes:
        org_id: UUID of their organization; empty for all organizations together.
        opened: number of rooms that open in any way.
        talk, answers, paging: number of those that open by Push-to-Talk, by answering ordinary calls, and by paging.
        several: number of those that open in more than one way.
        heard, undirected: number of those in which whoever opens them can listen, and of those where that is unclear.
        anyone: number of those that anyone may open who is not blocked: no list says who may.
    """

    org_id: str = ""
    opened: int = 0
    talk: int = 0
    answers: int = 0
    paging: int = 0
    several: int = 0
    heard: int = 0
    undirected: int = 0
    anyone: int = 0

    @property
    def words(self) -> str:
        """How many open in which way."""
        sums = [f"{getattr(self, name):,} {by}" for name, by in _SUMS.items() if getattr(self, name)]
        overlap = [f"{self.several:,} of them in several ways"] if self.several else []
        return ", ".join([*sums, *overlap])

    @property
    def reach_words(self) -> str:
        """In how many of them somebody can listen, and how many anyone may open."""
        heard = f"the caller can listen in {self.heard:,} of them" if self.heard else "no caller is known to listen"
        unclear = f" (unclear in {self.undirected:,})" if self.undirected else ""
        anyone = f", and anyone who is not blocked can open {self.anyone:,}" if self.anyone else ""
        return f"{heard}{unclear}{anyone}"

    def __add__(self, other: "WaysIn") -> "WaysIn":
        fields = ("opened", "talk", "answers", "paging", "several", "heard", "undirected", "anyone")
        return WaysIn("", *(getattr(self, name) + getattr(other, name) for name in fields))


def create_opening(connection: duckdb.DuckDBPyConnection) -> bool:
    """Create the table `opening`, a row for each entity that opens; returns whether there is a view `open_rooms`."""
    has_ways = OPEN_ROOMS in table_names(connection)
    connection.execute(_OPENING if has_ways else _NOTHING_OPEN)
    return has_ways


def find_ways(connection: duckdb.DuckDBPyConnection) -> dict[str, WaysIn]:
    """The counts by organization, from the table `opening`."""
    return {each.org_id: each for each in fetch(connection, WaysIn, _WAYS_IN)}


def device_words(device: str | None, seen: datetime | None) -> str:
    """Whether a device is in a room; empty for a room that does not open.

    Args:
        device: as in `open_rooms`.
        seen: when it was last seen.
    """
    match device:
        case None:
            return ""
        case "none":
            return "no phone"
        case "offline":
            return f"offline since {seen:%Y-%m-%d}" if seen else "offline"
    return device


def other_words(ways: list[str], pagers: int) -> str:
    """Who may open a room beside Push-to-Talk; empty if nobody may."""
    said = [
        _OTHERS[way].format(count_of(pagers, "member of a list", "members of lists")) for way in ways if way in _OTHERS
    ]
    return "; ".join(said)
