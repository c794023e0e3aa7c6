"""What happened: rows written in the transaction they tell of."""
