"""Experiments: functions from a config to tidy tables."""
