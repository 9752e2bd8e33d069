"""One page about runs and sweeps: their configs, their results, and doubts about these."""
