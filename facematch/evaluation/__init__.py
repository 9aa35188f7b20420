"""Measures an engine by published protocols."""
