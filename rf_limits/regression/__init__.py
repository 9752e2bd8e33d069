"""Fitting predictors in one solve: dense, and streamed in blocks."""
