"""One module a job of the table; each prints its rows (python -m benchmarks.jobs.training)."""
