"""Limits on attempts: named policies, counted in the database, shared by all replicas."""
