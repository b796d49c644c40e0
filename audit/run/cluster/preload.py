"""Prepares a worker process of a local cluster (Dask's `preload`)."""

import signal
from typing import Any


def dask_setup(_: Any) -> None:
    """Leave Ctrl-C to the driver, which ends its workers in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
