"""Run the notebooks and write them, with their pictures, as HTML: ``python -m scripts.render_notebooks``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parent.parent
CELL_SECONDS = 900
"""Longest time of a cell."""


def main() -> int:
    """Render all notebooks, or those that are named.

    Returns:
        The exit status: 1 if a notebook fails, 2 if one does not exist.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="files; all of notebooks/ by default")
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "notebooks", help="folder for the HTML")
    parser.add_argument("--fast", action="store_true", help="small sizes, as in the tests")
    options = parser.parse_args()
    os.environ["MGGTALK_FAST"] = "1" if options.fast else "0"
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    missing = [path for path in paths if not path.is_file()]
    if missing:
        sys.stderr.write(f"There is no notebook {missing[0]}. Give files such as notebooks/00_tour.ipynb.\n")
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        start = time.perf_counter()
        try:
            html = render(path)
        except CellExecutionError as error:
            sys.stderr.write(f"{path} failed:\n{error}\n")
            return 1
        target = options.out / f"{path.stem}.html"
        target.write_text(html, encoding="utf-8")
        print(f"{target}  ({time.perf_counter() - start:.0f} s, {target.stat().st_size / 1e6:.1f} MB)")
    return 0


def render(path: Path) -> str:
    """Run a notebook in its own folder.

    Args:
        path: The notebook, which stays as it is.

    Returns:
        HTML with all outputs inside; equations are set by MathJax, which a browser fetches.

    Raises:
        CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace(".ipynb)", ".html)")  # links from one to the next
    html, _ = HTMLExporter().from_notebook_node(notebook, resources={"metadata": {"name": path.stem}})
    return html


if __name__ == "__main__":
    sys.exit(main())
