"""MGGTalk: one portrait talks, in 3D, with Gaussian splats."""

__version__ = "0.1.0"
