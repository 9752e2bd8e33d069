"""Kernels, neurons and targets degree by degree."""
