"""Composition root: adapters are built here and nowhere else; signals, processes and shutdown are owned here."""
