"""What needs longer than the normal run: `scripts/soak`, that is pytest with GQL_AUTH_SOAK=1."""
