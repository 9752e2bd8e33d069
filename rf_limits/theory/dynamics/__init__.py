"""Training of the linearization in time."""
