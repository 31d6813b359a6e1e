"""Torso and background: the plate behind the head, the neck that follows it, and the learned completion."""
