"""The decision: which regimens are worth comparing, and what each costs."""
