"""Depth and normals of a head: one interface, several estimators."""

from mggtalk.depth.estimator import DepthEstimator, DepthMap, HeadView
from mggtalk.depth.mesh import MeshDepthEstimator

__all__ = ["DepthEstimator", "DepthMap", "HeadView", "MeshDepthEstimator"]
