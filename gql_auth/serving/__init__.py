"""GraphQL over HTTP: the endpoint, the context of a request, permissions, cookies, errors."""
