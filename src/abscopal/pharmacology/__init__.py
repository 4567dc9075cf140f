"""Checkpoint inhibitors: classes, population kinetics, occupancy and schedules."""
