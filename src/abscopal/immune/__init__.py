"""The dose-immune model: radiation, antigen, effectors and checkpoints, as equations."""
