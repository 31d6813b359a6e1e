r"""Fréchet distance between sets of pictures, each described by the mean and covariance of its features.

.. math:: d^2 = |\mu_1 - \mu_2|^2 + \operatorname{tr}\left(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2}\right)

Both are gathered as the features come, so that a long evaluation needs no more memory than a short one.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh


class Moments:
    """Mean and covariance of vectors that come a few at a time.

    Args:
        width: Length D of a vector.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self._sum = np.zeros(width)
        self._products = np.zeros((width, width))

    def add(self, vectors: np.ndarray, times: int = 1) -> None:
        """Take vectors ``[n, D]``, each as if it had come several times."""
        values = vectors.astype(np.float64)
        self.count += times * len(values)
        self._sum += times * values.sum(axis=0)
        self._products += times * (values.T @ values)

    @property
    def mean(self) -> np.ndarray:
        """``[D]``."""
        return self._sum / self.count

    @property
    def covariance(self) -> np.ndarray:
        """``[D, D]``, divided by one less than the count, which must be two or more."""
        return (self._products - self.count * np.outer(self.mean, self.mean)) / (self.count - 1)


class Reference:
    """The set that others are compared with: the root of its covariance is taken once.

    Args:
        moments: Of the set.
    """

    def __init__(self, moments: Moments) -> None:
        self._mean = moments.mean
        covariance = moments.covariance
        values, directions = eigh(covariance)  # [D], [D, D]
        self._root = (directions * np.sqrt(values.clip(min=0.0))) @ directions.T  # [D, D]
        self._trace = float(np.trace(covariance))

    def distance(self, moments: Moments) -> float:
        r"""Squared Fréchet distance to another set, 0 or more.

        The product of the covariances has the eigenvalues of the symmetric :math:`S_1 \Sigma_2 S_1` with the root
        :math:`S_1` of the first one; those that rounding made negative are zero.
        """
        covariance = moments.covariance
        between = eigh(self._root @ covariance @ self._root, eigvals_only=True)  # [D]
        trace = self._trace + float(np.trace(covariance)) - 2.0 * float(np.sqrt(between.clip(min=0.0)).sum())
        return max(0.0, float(((self._mean - moments.mean) ** 2).sum()) + trace)
