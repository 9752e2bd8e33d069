"""Measurements: risk, movement, kernel drift, distance to the linearization."""
