"""What comes from outside, read within limits of our own: its size, its depth, the names of its fields."""
