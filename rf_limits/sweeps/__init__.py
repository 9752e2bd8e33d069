"""Sweeps: many runs from one config, carried out here, in processes, or on a cluster."""

from rf_limits.sweeps.grid import sweep

__all__ = ["sweep"]
