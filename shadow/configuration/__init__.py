"""Reads a configuration file, with messages that name the key, its line, the value and the remedy."""

from shadow.configuration.reading import Document, load, load_document, load_policy

__all__ = ["Document", "load", "load_document", "load_policy"]
