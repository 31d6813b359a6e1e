"""What the documents name is there: links between them, headings, and the modules, names and tests of ``PAPER.md``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "weights").glob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text(encoding="utf-8"))
    assert not [link for link in links if not (path.parent / link).exists()]


def anchors(path: Path) -> set[str]:
    """The names under which GitHub links to the headings of a document: lower case, no marks, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_anchors_lead_to_a_heading(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", path.read_text(encoding="utf-8"))
    assert not [anchor for file, anchor in links if anchor not in anchors(path.parent / file if file else path)]


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
