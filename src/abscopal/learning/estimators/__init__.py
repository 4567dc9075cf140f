"""Estimators with the scikit-learn interface, for censored and competing outcomes too."""
