"""Measures an engine by published protocols; needs the extra [evaluate]."""
