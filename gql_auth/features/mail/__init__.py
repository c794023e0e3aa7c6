"""Mail: an outbox in the database, who delivers it, and what is written."""
