"""How well predicted probabilities agree with what happened."""
