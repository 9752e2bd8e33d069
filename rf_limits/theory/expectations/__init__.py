"""Expectations of products of neurons under Gaussian inputs."""
