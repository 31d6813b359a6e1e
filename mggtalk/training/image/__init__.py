"""Training of the completion network."""
