"""Tells somebody of a run or a check: one short message, by apprise. It needs the extra `notify`."""
