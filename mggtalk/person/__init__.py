"""Adaptation to one person: a small set of weights, learned from a short clip, that an avatar carries."""
