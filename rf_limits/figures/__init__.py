"""Figures: functions from tables to pictures."""
