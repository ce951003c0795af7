"""Where stages meet: one loop per file."""
