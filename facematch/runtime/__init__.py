"""Threads, optional packages, tables that people give, and work on a Ray cluster."""
