"""The features, one folder each, with the same file names inside; `gql_auth.catalog` lists them."""
