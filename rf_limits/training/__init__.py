"""One training run: its data, networks, fits and measurements, step by step, to one table."""
