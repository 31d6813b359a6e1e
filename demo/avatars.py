"""Avatars of all visitors under one cap: the one that was used least recently is forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from mggtalk.avatar.avatar import Avatar

EACH = 2
"""Avatars kept for one visitor."""

ALL = 12
"""Avatars kept in all, those of the examples with them."""


class Avatars:
    """Made once, kept for their owner alone. Threads may share it.

    Args:
        each: Avatars of one owner.
        total: Avatars of all owners.
    """

    def __init__(self, each: int = EACH, total: int = ALL) -> None:
        self._each, self._total = each, total
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Hashable, str], Avatar] = OrderedDict()  # least recently used first
        self._making: dict[tuple[Hashable, str], threading.Lock] = {}

    def get(self, owner: Hashable | None, key: str, make: Callable[[], Avatar]) -> Avatar:
        """The avatar of an owner under a key, made only when it is not kept; whoever asks meanwhile waits for it.

        Args:
            owner: None for what is everybody's; its avatars count toward the total alone.
            key: Names the portrait and how it was read.
            make: Makes the avatar.
        """
        place = (owner, key)
        with self._lock:
            making = self._making.setdefault(place, threading.Lock())
        try:
            with making:
                with self._lock:
                    known = self._kept.get(place)
                if known is None:
                    known = make()
                with self._lock:
                    self._kept[place] = known
                    self._kept.move_to_end(place)
                    self._limit(owner)
                return known
        finally:
            with self._lock:
                if not making.locked():
                    self._making.pop(place, None)

    def forget(self, owner: Hashable) -> None:
        """Forget all avatars of an owner who left."""
        with self._lock:
            for place in self._of(owner):
                del self._kept[place]

    def keys(self, owner: Hashable | None) -> list[str]:
        """Keys of an owner's avatars, the least recently used first."""
        with self._lock:
            return [key for _, key in self._of(owner)]

    def __len__(self) -> int:
        return len(self._kept)

    def _of(self, owner: Hashable | None) -> list[tuple[Hashable, str]]:
        return [place for place in self._kept if place[0] is owner]

    def _limit(self, owner: Hashable | None) -> None:
        if owner is not None:
            for place in self._of(owner)[: -self._each]:
                del self._kept[place]
        while len(self._kept) > self._total:
            self._kept.popitem(last=False)
