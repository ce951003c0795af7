"""Asking candidates what production was asked: bodies, admission, timing, outages."""
