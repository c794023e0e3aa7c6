"""What `scripts/bench` is made of: servers, load, what is measured, and the report."""
