"""What the functions share; bundled into each."""
