"""Normal-tissue complication probabilities from dose-volume histograms."""
