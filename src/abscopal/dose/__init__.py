"""Dose grids, structures, dose-volume histograms and DICOM RT."""
