"""Alembic's way in: `service_runtime.database.migrate` sets the URL. One run at a time, whoever starts it."""

from alembic import context
from sqlalchemy import create_engine, text

ONE_AT_A_TIME = 0x6163636F756E7473  # "accounts"

engine = create_engine(context.config.attributes["url"])
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        # Held until the commit: a second run waits here, and then finds everything done.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
        context.run_migrations()
engine.dispose()
