"""Symmetric Gaussian prediction (SGP), section 3.2 of the paper."""
