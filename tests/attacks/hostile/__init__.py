"""A corpus of hostile documents and requests, each with the exact answer it gets."""
