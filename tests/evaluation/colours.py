"""A network's stand-in that can be followed by hand."""


class Colours:
    """Describes a picture by its mean colour."""

    width = 3

    def features(self, frames):
        for frame in frames:
            yield frame.mean(axis=(0, 1), keepdims=True)[0]
