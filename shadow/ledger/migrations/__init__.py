"""Alembic's migrations of the ledger; run by `shadow.ledger.upgrade`, never by hand."""
