"""Whether a snapshot is what was committed: its files, their content, its coverage, and its signature."""
