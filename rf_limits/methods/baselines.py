"""Values of the column ``method`` that no training run has: bounds, and features of a lattice."""

from rf_limits.methods.method import Entry

LAZY_LIMIT = Entry(key="lazy_limit", label="lazy limit $R^*$", short="lazy limit", colour="#000000")
LATTICE_FEATURES = Entry(
    key="lattice_features", label="lattice features", short="lattice", colour="#661100"
)
BASELINES = {entry.key: entry for entry in (LATTICE_FEATURES, LAZY_LIMIT)}
