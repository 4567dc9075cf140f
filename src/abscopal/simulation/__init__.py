"""Solving any model's equations, for one patient now; knows nothing of immunology."""
