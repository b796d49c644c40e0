"""Set-up of the workers of a test (Dask's `--preload`)."""

from audit.output import inventory

inventory.BATCH_SIZE = 20
