"""What happens in a real browser: Chromium, driven by Playwright from tests/node."""
