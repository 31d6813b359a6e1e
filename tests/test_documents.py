"""What the documents name is there: links between them, and the modules, names and tests of ``PAPER.md``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text(encoding="utf-8"))
    assert not [link for link in links if not (path.parent / link).exists()]


def test_the_map_of_the_paper_names_what_exists() -> None:
    text = (ROOT / "PAPER.md").read_text(encoding="utf-8")
    assert all(f"| ({number}) |" in text for number in range(1, 11))
    files = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:\.py|/))`", text))
    assert len(files) > 40
    missing = [
        name
        for name in files - {"tests/", "mggtalk/"}
        if not ((ROOT / "mggtalk" / name).exists() or (ROOT / "tests" / name).exists())
    ]
    assert not missing
    # `module.py`: `name`, `name` ...
    for module, names in re.findall(r"`([a-z_/]+\.py)`: ((?:`[\w.()]+`(?:, )?)+)", text):
        source = (ROOT / "mggtalk" / module).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)(?:\.(\w+))?(?:\(\))?`", names):
            for part in filter(None, name):
                assert re.search(rf"\b{part}\b", source), f"{module} has no {part}"
