"""One large job: regression on more samples or features than one matrix in memory holds."""
