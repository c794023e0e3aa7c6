"""Signing keys: made, published, rotated, retired."""
