"""Parts of a folder of clips, for processes or machines that share it."""

from __future__ import annotations

from dataclasses import dataclass

from mggtalk.errors import OptionError


@dataclass(frozen=True)
class Shard:
    """One of several disjoint parts of the clips: those whose place leaves ``index`` when divided by ``count``."""

    index: int = 0
    count: int = 1

    @staticmethod
    def parse(text: str) -> Shard:
        """Read ``i/n``.

        Raises:
            OptionError: If it is none.
        """
        index, slash, count = text.partition("/")
        if slash and index.isdecimal() and count.isdecimal() and int(index) < int(count):
            return Shard(int(index), int(count))
        raise OptionError(f"The shard is {text!r}.", "Give i/n with i from 0 to n - 1, as in 0/4.")

    @property
    def refusals(self) -> str:
        """Name of the file that lists its refused clips."""
        return "refused.json" if self.count == 1 else f"refused-{self.index}-of-{self.count}.json"


WHOLE = Shard()
"""All clips."""
