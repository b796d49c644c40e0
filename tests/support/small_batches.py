"""What the workers of a test begin with (Dask's `--preload`)."""

from audit.output import inventory

inventory.BATCH_SIZE = 20
