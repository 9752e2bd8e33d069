"""What we look at: risk, movement, kernel drift, distance to the linearization."""
