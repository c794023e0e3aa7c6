"""What an operation may cost, judged before anything runs."""
