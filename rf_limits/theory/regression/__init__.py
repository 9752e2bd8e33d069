"""Learning curves of kernel and random-features regression."""
