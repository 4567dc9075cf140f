"""What a plan is judged by: terms of weights with exact gradients, one family to a file."""
