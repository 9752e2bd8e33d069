"""Regression on more data than memory holds: sums over streamed blocks, and conjugate gradients."""
