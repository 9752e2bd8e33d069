"""Runs: the store on disk, provenance, progress, the command line."""
