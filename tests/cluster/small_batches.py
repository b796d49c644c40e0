"""What the workers of a test begin with (Dask's `--preload`)."""

from audit.snapshot import inventory

inventory.BATCH_SIZE = 20
