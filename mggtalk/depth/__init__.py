"""Depth and normals of a head: one interface, several estimators."""
