"""Audit Push-to-Talk settings of Webex organizations into snapshots that can be trusted."""

__version__ = "0.1.0"
