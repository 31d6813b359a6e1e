"""Index the embedded weights (configuration and checksums): ``python -m scripts.index_weights``."""

import json
from dataclasses import asdict

from mggtalk.checkpoint import write_index
from mggtalk.config import tiny
from mggtalk.runtime.cache import EMBEDDED


def main() -> None:
    """Index the folder ``weights/`` after a file in it was rebuilt."""
    config = tiny()
    (EMBEDDED / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
    write_index(EMBEDDED, config.name)


if __name__ == "__main__":
    main()
