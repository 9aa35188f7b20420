"""Threads, optional packages, and work spread over a Ray cluster."""
