"""Alembic's way in: `service_runtime.database.migrate` sets the URL. One run at a time, whoever starts it."""

from alembic import context
from sqlalchemy import NullPool, create_engine, text

ONE_AT_A_TIME = 0x6C6564676572  # "ledger"

engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
with engine.begin() as connection:
    # Held until the commit: a second run waits here, and then finds everything done.
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
    context.configure(connection=connection)
    context.run_migrations()
