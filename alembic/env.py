"""Runs migrations on the connection that `carbon_bank.schema` hands over."""

from __future__ import annotations

from alembic import context

from carbon_bank import schema

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=schema.METADATA,
    include_object=schema.is_ours,
    compare_server_default=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
