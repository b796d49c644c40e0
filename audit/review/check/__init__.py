"""`check`: rules in SQL, exceptions, findings, and the formats of findings."""
