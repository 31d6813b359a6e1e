"""Gaussian blendshapes of one person: what an adapter learns."""
