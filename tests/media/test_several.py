"""Several photos of one person: their number, and errors that say which photo they are about."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.errors import NoFaceError, OptionError
from mggtalk.media.several import MOST_PHOTOS, check_count, name_photo


@pytest.mark.parametrize("count", [0, MOST_PHOTOS + 1])
def test_no_photo_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(OptionError, match=str(count) if count else "No photo"):
        check_count(count)


@pytest.mark.parametrize("count", [1, MOST_PHOTOS])
def test_all_other_numbers_are_allowed(count: int) -> None:
    check_count(count)


def test_an_error_names_its_photo_and_keeps_its_type() -> None:
    with pytest.raises(NoFaceError, match=r"Photo 3 of 4, 'c.jpg': No face\. Use another\. Or leave this photo out\."):
        with name_photo("some/folder/c.jpg", 2, 4):
            raise NoFaceError("No face.", "Use another.")
    with pytest.raises(NoFaceError, match="^Photo 2 of 2: No face"):
        with name_photo(np.zeros((2, 2, 3)), 1, 2):
            raise NoFaceError("No face.", "Use another.")
    with pytest.raises(NoFaceError, match="^No face"):
        with name_photo("a.jpg", 0, 1):
            raise NoFaceError("No face.", "Use another.")
