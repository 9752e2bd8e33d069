"""Lazy-training dynamics: when and how fast training leaves the tangent regime."""
