"""The bare sides: what one would write by hand for this one purpose, without robustness. Goals are ratios to them."""
