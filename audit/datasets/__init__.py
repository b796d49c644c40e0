"""The datasets: each has a module and a line in `NAMES`. They contain no HTTP and no file access.

The names alone load nothing, because a help text shows them; all else brings pyarrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.datasets.dataset import SUBJECT_SCHEMA, Dataset, Request

    DATASETS: dict[str, Dataset]

#: The names of the datasets. `audit/datasets/push_to_talk.py` defines the dataset `PUSH_TO_TALK`.
NAMES = (
    "push_to_talk",
    "audio_options",
    "answer_settings",
    "paging_groups",
)

__all__ = ["DATASETS", "NAMES", "SUBJECT_SCHEMA", "Dataset", "Request"]


def __getattr__(name: str) -> Any:
    """Load what is asked for."""
    if name == "DATASETS":
        modules = {each: import_module(f"{__name__}.{each}") for each in NAMES}
        value: Any = {each: getattr(module, each.upper()) for each, module in modules.items()}
    elif name in __all__:
        value = getattr(import_module(f"{__name__}.dataset"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
