"""A run from its settings to a snapshot: credentials, scope, one audit per organization, and the commit."""
