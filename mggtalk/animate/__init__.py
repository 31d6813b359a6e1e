"""Frames of an avatar that moves."""
