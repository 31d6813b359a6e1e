"""Training: clips, pairs, losses, the trainer."""
