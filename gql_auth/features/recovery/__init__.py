"""Verifying addresses, resetting passwords, signing in by mail."""
