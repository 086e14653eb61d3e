"""Alembic executes this file for each upgrade; the connection is the caller's (`server.storage.database`)."""

from alembic import context

from server.storage.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
