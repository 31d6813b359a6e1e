"""The errors that a user can cause, each with what was wrong, the value seen and what to do.

Everything derives from :class:`MGGTalkError`, which is a ``ValueError``: the command line prints it as one line and
exits with status 2, the web page shows it as a message.
"""


class MGGTalkError(ValueError):
    """Base of all errors about what the user gave.

    Args:
        problem: What was wrong, with the value seen.
        advice: What to do about it.
    """

    def __init__(self, problem: str, advice: str) -> None:
        self.problem = problem
        self.advice = advice
        super().__init__(f"{problem} {advice}".replace("\n", " "))


class MediaError(MGGTalkError):
    """An image, a video or a recording cannot be read or written."""


class MediaTooLongError(MediaError):
    """A file is longer, larger or has more pixels than the published limits."""


class NoFaceError(MGGTalkError):
    """No usable face was found."""


class FaceTooSmallError(NoFaceError):
    """A face was found, but too few pixels show it."""


class SeveralFacesError(MGGTalkError):
    """More than one face was found and none was chosen."""


class MotionFileError(MGGTalkError):
    """A motion file is broken, or belongs to another face model."""


class WeightsMissingError(MGGTalkError):
    """A model file is not where it should be, or its checksum is wrong."""


class OptionError(MGGTalkError):
    """An option has a value that is not allowed."""


class PackageMissingError(MGGTalkError):
    """An optional package is not installed."""
