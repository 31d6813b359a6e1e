"""Symmetric Gaussian prediction as compiled CPU kernels; `sgp.predictor` is the twin."""
