"""In tests the notebooks compute everything on small sizes; ``MGGTALK_FAST=0 pytest notebooks`` runs them in full."""

from __future__ import annotations

import os

os.environ.setdefault("MGGTALK_FAST", "1")  # the notebooks' kernels inherit it
