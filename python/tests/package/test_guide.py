"""The pages and scripts that show the package do what they say."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", ["README.md", "docs/guide/python.md"])
def test_the_page_runs(path: str, scry_program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    page = (ROOT / path).read_text()
    url = ""
    with contextlib.ExitStack() as hosts:
        for kind, block in BLOCK.findall(page):
            if kind == "python":
                exec(compile(block.replace("http://127.0.0.1:8080", url), path, "exec"), names)
                continue
            for line in block.splitlines():
                if line == "scry serve &":
                    url = _serve(scry_program, tmp_path, hosts, monkeypatch)
                elif line.startswith("scry "):
                    subprocess.run([scry_program, *line.split()[1:]], check=True, capture_output=True)
    assert url and "over_http" in names


def _serve(program: str, folder: Path, hosts: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / "scry.toml").write_text('prediction.listen = "127.0.0.1:0"\nadmin.listen = "127.0.0.1:0"\n')
    command = [program, "serve", "--config", "scry.toml"]
    host = hosts.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    hosts.callback(host.terminate)
    assert host.stdout is not None
    url, admin = re.findall(r"http://\S+", host.stdout.readline())
    monkeypatch.setenv("SCRY_ADMIN", admin)
    return url


def test_the_example_sees_the_drift(scry_program: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(scry_program).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, ROOT / "examples/python/wine.py"], capture_output=True, text=True, timeout=300, check=False,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ALARM" in done.stdout
