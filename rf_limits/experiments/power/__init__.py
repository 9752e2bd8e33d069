"""The power half of the paper: networks that train like random features, and what these learn."""
