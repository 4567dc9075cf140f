"""Fitted prediction models held to account: estimators, resampling, validation, model cards."""
