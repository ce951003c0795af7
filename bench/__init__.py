"""Performance and soaks as ratios: both sides side by side in one run. `python -m bench` runs everything."""
