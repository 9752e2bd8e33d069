"""Regression of any size: samples and kernels in blocks that are never all in memory."""
