"""The package from outside: its public names, what it declares to need, and the weights that it brings."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mggtalk
from mggtalk.runtime.cache import EMBEDDED, embedded_weights

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(name: str) -> dict[str, Requirement]:
    """Requirements of a file and of those that it includes."""
    found: dict[str, Requirement] = {}
    for line in (ROOT / name).read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            found |= pins(line[3:])
        elif line and not line.startswith("-"):
            found[canonicalize_name(Requirement(line).name)] = Requirement(line)
    return found


def declared(*extras: str) -> list[Requirement]:
    """Requirements of the package with some extras, extras of extras left out."""
    lines = [*PROJECT["project"]["dependencies"]]
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    return [found for line in lines if (found := Requirement(line)).name != "mggtalk"]


def test_public_names_are_imported_on_first_use() -> None:
    program = (
        "import sys, mggtalk; assert not {'torch', 'numpy'} & set(sys.modules), 'import mggtalk must cost nothing';"
        "from mggtalk import Avatar, Camera, Gaussians, Motion; assert 'torch' in sys.modules;"
        "assert not set(mggtalk.__all__) - set(dir(mggtalk)); print(Avatar.__module__, mggtalk.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mggtalk.avatar.avatar") and mggtalk.__version__ in done.stdout


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Portrait'"):
        mggtalk.Portrait  # noqa: B018


@pytest.mark.parametrize(
    ("file", "extras"),
    [
        ("requirements.txt", ["page", "gpu", "depth"]),
        ("requirements-dev.txt", ["page", "gpu", "depth", "train", "notebooks", "sign", "dev"]),
    ],
)
def test_pins_are_what_the_package_declares(file: str, extras: list[str]) -> None:
    pinned = pins(file)
    wanted = {canonicalize_name(requirement.name): requirement for requirement in declared(*extras)}
    assert pinned.keys() == wanted.keys()
    for name, requirement in wanted.items():
        for pin in pinned[name].specifier:
            assert pin.operator == "==" and requirement.specifier.contains(pin.version), (
                f"{pin} is not in {requirement}"
            )


def test_a_server_installs_neither_jupyter_nor_tests() -> None:
    assert not {"jupyter", "pytest", "matplotlib", "tensorboard"} & pins("requirements.txt").keys()


def test_the_build_without_cuda_is_the_same_release() -> None:
    """Spaces install ``pre-requirements.txt`` first; what it brings must satisfy ``requirements.txt``."""
    assert pins("pre-requirements.txt")["torch"] == pins("requirements.txt")["torch"]


def test_weights_travel_with_the_package(tmp_path: Path) -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"weights": "mggtalk/weights"} and EMBEDDED == ROOT / "weights"
    assert json.loads((EMBEDDED / "model_index.json").read_text())["files"]
    (tmp_path / "site" / "mggtalk" / "weights").mkdir(parents=True)
    installed = tmp_path / "site" / "mggtalk"
    assert embedded_weights(installed) == installed / "weights"
    (installed / "weights").rmdir()
    assert embedded_weights(installed) == tmp_path / "site" / "weights"
