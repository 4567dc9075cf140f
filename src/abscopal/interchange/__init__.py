"""Models and results in the formats that other programs read and write."""
