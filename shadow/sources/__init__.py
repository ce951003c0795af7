"""Where mirrored records come from."""
