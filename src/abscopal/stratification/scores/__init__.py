"""The scores, one file per family."""
