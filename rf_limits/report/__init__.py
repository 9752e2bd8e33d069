"""One page about runs and sweeps: what was asked, what came out, and how far to trust it."""
