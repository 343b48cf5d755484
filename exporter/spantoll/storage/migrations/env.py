"""How Alembic runs a migration: on the connection it is given, in the caller's transaction.

Input: a connection. Output: the schema of a revision, without views: `migrate` makes those again.
"""

from __future__ import annotations

from alembic import context

from spantoll.storage.views import drop_views

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    if not context.is_offline_mode():
        drop_views(context.config.attributes["connection"])
    context.run_migrations()
