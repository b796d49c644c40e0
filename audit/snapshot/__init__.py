"""Committed snapshots: their layout, manifest, chain and digests. Reads only; knows nothing of HTTP or datasets."""
