"""The version, here so that a result can carry it without importing the whole package."""

__version__ = "0.1.0"
