"""Models of others, one file each, in the same language as the reference model and checked against their numbers."""
