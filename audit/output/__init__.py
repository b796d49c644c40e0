"""The output folder of a run: the lock, the draft, the commit, pruning. Only these modules change an output folder."""
