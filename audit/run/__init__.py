"""A run from its settings to a snapshot: credentials, scope, an audit of each organization, and the commit."""
