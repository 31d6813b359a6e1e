"""The numbers that decide which Gaussian touches which pixel: those of gsplat 1.5.3's CUDA kernels.

Compiled kernels freeze them; :mod:`mggtalk.runtime.kernels` sees to it that a change is noticed.
"""

NEAR = 0.01
"""Gaussians nearer to the camera are dropped (camera-frame z, decimetres)."""
FAR = 1e10
"""Gaussians farther away are dropped."""
BLUR = 0.3
"""Low-pass filter: added to both variances of a projected Gaussian, in square pixels."""
FIELD_MARGIN = 0.3
"""Greatest distance outside the picture, half fields of view, at which a projection is linearised in its place."""
MAX_EXTENT = 3.33
"""A Gaussian ends at this many standard deviations, or earlier, where its alpha falls under :data:`MIN_ALPHA`."""
MIN_ALPHA = 1.0 / 255.0
"""Fainter contributions are skipped."""
MAX_ALPHA = 0.999
"""Opaquer contributions are clipped, and pass no gradient to the shape there."""
MIN_TRANSMITTANCE = 1e-4
"""A pixel is finished before the Gaussian that would bring its transmittance to this or under."""
MAX_DETERMINANT = 1e30
"""Projected covariances with a larger determinant overflow; such Gaussians are dropped."""
SH_0 = 0.28209479177387814
"""Spherical harmonic of degree 0: 1 / (2 sqrt(pi))."""
SH_1 = 0.4886025119029199
"""Factor of the spherical harmonics of degree 1: sqrt(3 / (4 pi))."""
