"""Figures of the studies of lazy training, from their tables alone."""
