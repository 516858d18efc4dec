"""The database's schema and users: migrations (numbered SQL), users, handler."""
