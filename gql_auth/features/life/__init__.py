"""An account's later life: another address, another name, its data, its end."""
