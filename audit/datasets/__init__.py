"""The datasets: one module each, and one line in `DATASETS`. They know nothing of HTTP or files."""

from audit.datasets.dataset import IDENTITY_SCHEMA, Dataset
from audit.datasets.push_to_talk import PUSH_TO_TALK

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (PUSH_TO_TALK,)}

__all__ = ["DATASETS", "IDENTITY_SCHEMA", "Dataset"]
