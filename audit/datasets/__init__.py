"""The datasets: each has a module and a line in `_ALL`. They contain no HTTP and no file access."""

from audit.datasets.answer_settings import ANSWER_SETTINGS
from audit.datasets.audio_options import AUDIO_OPTIONS
from audit.datasets.dataset import SUBJECT_SCHEMA, Dataset, Request
from audit.datasets.paging_groups import PAGING_GROUPS
from audit.datasets.push_to_talk import PUSH_TO_TALK

_ALL = (
    PUSH_TO_TALK,
    AUDIO_OPTIONS,
    ANSWER_SETTINGS,
    PAGING_GROUPS,
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}

__all__ = ["DATASETS", "SUBJECT_SCHEMA", "Dataset", "Request"]
