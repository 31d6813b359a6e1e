"""The corpus: preprocessing, pairs of frames, augmentation."""
