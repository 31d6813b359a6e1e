"""Training of the inside of the mouth alone."""
