"""Alembic's entry: runs on the connection that `gql_auth.storage.migrate` opened."""

from alembic import context

from gql_auth.storage.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
