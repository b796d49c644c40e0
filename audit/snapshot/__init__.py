"""All that knows files: parts, commit, manifest, reading. It knows nothing of HTTP or datasets."""
