"""What every feature shares. Standard library only; imports nothing but itself."""
