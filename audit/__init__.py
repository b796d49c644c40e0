"""Audit Push-to-Talk settings of Webex organizations into snapshots that can be trusted."""

import os

__version__ = "0.1.0"

# Arrow looks at this when it is loaded. Its own pool keeps what it once had: a run's peak was a quarter higher.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
