"""Heads that leave Python: Gaussian blendshapes, the web player, and animated point files."""
