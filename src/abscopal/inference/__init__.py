"""What the evidence says about the dose-immune model: likelihood, calibration, identifiability, ablations."""
