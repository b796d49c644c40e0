"""How users join the audio of meetings, as counts."""

from dataclasses import dataclass

import duckdb

from audit.review.report.rows import count, fetch, fetch_dicts
from audit.review.tables import table_names

#: The most values of a free-text column that are counted; the API uses a handful.
_MAX_WORDS = 12


@dataclass(frozen=True)
class WordCount:
    """The number of rows that hold a word."""

    word: str
    rows: int


@dataclass(frozen=True)
class Audio:
    """Counts of audio options.

    Attributes:
        rows: (user, site) pairs.
        users: distinct users.
        pins: by `audio_pin_status`.
        kinds: by `default_audio_type`.
        toll_free, global_call_in: pairs that have it on.
        number_alone: pairs with a phone number that identifies the user without a PIN.
    """

    rows: int
    users: int
    toll_free: int
    global_call_in: int
    number_alone: int
    pins: list[WordCount]
    kinds: list[WordCount]


_AUDIO = """
SELECT count(*) AS rows, count(DISTINCT (org_id, entity_id)) AS users,
       count(*) FILTER (enabled_toll_free) AS toll_free,
       count(*) FILTER (enabled_global_call_in) AS global_call_in,
       count(*) FILTER (audio_pin_status = 'unset'
                        AND ((office_number <> '' AND office_call_in_authentication)
                             OR (mobile_number <> '' AND mobile_call_in_authentication))) AS number_alone
FROM audio_options
"""


_WORDS = (
    "SELECT {column} AS word, count(*) AS rows FROM audio_options GROUP BY ALL ORDER BY rows DESC, word LIMIT {limit}"
)


def find_audio(connection: duckdb.DuckDBPyConnection) -> Audio | None:
    """Counts of audio options; None if the snapshot has none."""
    if "audio_options" not in table_names(connection) or not count(connection, "SELECT count(*) FROM audio_options"):
        return None
    (numbers,) = fetch_dicts(connection, _AUDIO)
    return Audio(
        **numbers,
        pins=fetch(connection, WordCount, _WORDS.format(column="audio_pin_status", limit=_MAX_WORDS)),
        kinds=fetch(connection, WordCount, _WORDS.format(column="default_audio_type", limit=_MAX_WORDS)),
    )
