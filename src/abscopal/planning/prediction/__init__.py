"""Dose predicted before planning, from image and contours: baselines, a network, scores and immune figures."""
