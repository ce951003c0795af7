"""The ledger: outcomes, aggregates and positions that change together or not at all."""
