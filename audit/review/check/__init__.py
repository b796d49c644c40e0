"""`check`: rules in SQL, exceptions, findings, and formats for findings."""
