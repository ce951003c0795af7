"""Whoever shows results: metrics, traces, terminal."""
