"""Plans answer as graphql-core's executor does."""
