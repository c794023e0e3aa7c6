"""The password factor: rules, hashing, change."""
