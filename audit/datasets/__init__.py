"""The datasets: one module each, and one line in `_ALL`. They know nothing of HTTP or files."""

from audit.datasets.audio_options import AUDIO_OPTIONS
from audit.datasets.dataset import SUBJECT_SCHEMA, Dataset, Request
from audit.datasets.push_to_talk import PUSH_TO_TALK

_ALL = (
    PUSH_TO_TALK,
    AUDIO_OPTIONS,
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}

__all__ = ["DATASETS", "SUBJECT_SCHEMA", "Dataset", "Request"]
