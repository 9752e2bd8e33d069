"""Figures of the studies of the power of random features."""
