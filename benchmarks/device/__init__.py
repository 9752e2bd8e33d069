"""Pieces of the accelerator job: what the package reaches of what the device was seen to reach."""
