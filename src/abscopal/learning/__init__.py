"""Fitted prediction models held to account: estimators, resampling, metrics, model cards."""
