"""Sign-ins on devices: opened, rotated, listed, ended."""
