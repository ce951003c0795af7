"""The pages, the API and the address of /metrics."""
