"""Links in mails: their tokens, and what they do."""
