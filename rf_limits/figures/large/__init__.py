"""Figures of large regression jobs."""
