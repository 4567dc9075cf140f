"""Frozen types, units, errors, registry, progress and manifest. Imports nothing of ours."""
