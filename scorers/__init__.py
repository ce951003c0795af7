"""Scorers: each judges one case, the answer of a candidate beside the incumbent's. A library of its own."""
