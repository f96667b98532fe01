"""The guide and the README show calls that work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import almt_data
from support import ROOT

RUN = """split,id,label,prediction
test,a$_$0,1.0,0.5
"""


@pytest.mark.parametrize("guide", ["README.md", "docs/python.md"])
def test_the_snippets_run(
    guide: str, data: Path, tmp_path: Path, optional: Callable[[str], ModuleType]
) -> None:
    for name in ("h5py", "pandas", "pyarrow"):
        optional(name)
    shutil.copy(data / "mosi.pkl", tmp_path)
    shutil.copy(data / "mosi.h5", tmp_path)
    shutil.copytree(data / "mosi.arrow", tmp_path / "mosi.arrow")
    almt_data.export(data / "mosi.h5", to="csv", output=tmp_path / "mosi.csv", progress=False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "predictions.csv").write_text(RUN)
    runner = ROOT / "tests" / "guides.py"
    call = [sys.executable, str(runner), str(ROOT / guide), str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    text = (ROOT / guide).read_text()
    snippets = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    # Those that need PyTorch are left out where it is missing.
    n_least = sum("torch" not in snippet for snippet in snippets)
    assert int(done.stdout) >= n_least


def test_the_readme_prints_what_it_shows(
    data: Path, tmp_path: Path, optional: Callable[[str], ModuleType]
) -> None:
    optional("pandas")
    readme = (ROOT / "README.md").read_text()
    blocks = r"^```python\n(.*?)^```\n\n```text\n(.*?)^```"
    shown = re.search(blocks, readme, re.MULTILINE | re.DOTALL)
    assert shown is not None
    snippet, expected = shown.groups()
    almt_data.synth(output=tmp_path / "mosi.pkl")
    call = [sys.executable, "-c", snippet]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # Spaces at the ends of lines are pandas' alone.
    assert [line.rstrip() for line in done.stdout.splitlines()] == expected.splitlines()
