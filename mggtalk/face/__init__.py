"""Faces: detection, 478 landmarks, 52 blendshapes, the landmark 3DMM, mattes and masks."""
