"""Figures of the studies of samples, from their tables alone."""
