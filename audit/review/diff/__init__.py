"""`diff`: what was added, removed or changed between two snapshots, and what is unknown."""
