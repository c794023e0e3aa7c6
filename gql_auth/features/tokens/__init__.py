"""Access and refresh tokens: issued and strictly verified."""
