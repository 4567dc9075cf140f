"""Scores that group patients by expected outcome, each with its class of evidence."""
