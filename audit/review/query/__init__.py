"""`query`: read-only SQL over the tables of a snapshot."""
