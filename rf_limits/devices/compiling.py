"""How programs are compiled."""

QUICKLY = {"xla_backend_optimization_level": 0}
"""Compiler options of programs that run a few times, for a moment: optimizing their code takes
twice as long as not, and gains nothing. Library calls, products and decompositions, are what
they are."""
