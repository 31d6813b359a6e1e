"""Depth-aware symmetric geometry reconstruction (DSGR), section 3.1 of the paper."""
