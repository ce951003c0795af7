"""Work on sets of cases instead of live traffic."""
