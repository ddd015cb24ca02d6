"""SQL models: one SELECT a file, read with their descriptions and tests, built into the warehouse."""
