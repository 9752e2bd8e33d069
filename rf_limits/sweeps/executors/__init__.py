"""Where the groups of a sweep run: in this process, in several here, or on a cluster."""
