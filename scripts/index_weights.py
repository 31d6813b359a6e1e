"""Index the embedded weights (configuration and checksums): ``python -m scripts.index_weights``."""

import json
from dataclasses import asdict

from mggtalk.checkpoint import config_from_dict, write_index
from mggtalk.config import PipelineConfig
from mggtalk.runtime.cache import EMBEDDED


def main() -> None:
    """Index the folder ``weights/`` after a file in it was rebuilt."""
    path = EMBEDDED / "config.json"
    config = config_from_dict(PipelineConfig, json.loads(path.read_text()))  # what was switched off stays off
    path.write_text(json.dumps(asdict(config), indent=2) + "\n")
    write_index(EMBEDDED, config.name)


if __name__ == "__main__":
    main()
