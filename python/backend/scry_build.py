"""Builds the wheel: the `scry` program first, which lies among the wheel's scripts, then the rest by maturin.

Cargo works in a folder of its own, so that neither build spoils the other's, and takes vendored crates where a
`.cargo/config.toml` of the clone says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import maturin

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "wheel"
# As pyproject.toml has it.
SCRIPTS = TARGET / "scry_serve.data" / "scripts"

get_requires_for_build_wheel = maturin.get_requires_for_build_wheel
get_requires_for_build_editable = maturin.get_requires_for_build_editable


def build_wheel(folder: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """The wheel in this folder."""
    _build_program()
    return maturin.build_wheel(folder, config_settings, metadata_directory)


def build_editable(folder: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """The same, with the Python sources where they are."""
    _build_program()
    return maturin.build_editable(folder, config_settings, metadata_directory)


def build_sdist(folder: str, config_settings: Any = None) -> str:
    """Refuses: the sources are a whole workspace."""
    raise SystemExit(
        "scry-serve is built from a clone of its repository: `pip install ./python` or `pip wheel ./python`"
    )


def _build_program() -> None:
    if not (ROOT / "host" / "Cargo.toml").is_file():
        raise SystemExit(f"{ROOT} is no clone of Scry: build from one, by `pip install ./python`")
    if shutil.which("cargo") is None:
        raise SystemExit("building Scry needs Rust, which rustup installs; a wheel needs Python alone")
    os.environ["CARGO_TARGET_DIR"] = str(TARGET)
    os.environ["CARGO_PROFILE_RELEASE_STRIP"] = "symbols"
    # Of both packages, so that the native module finds all dependencies compiled.
    command = ["cargo", "build", "--release", "--locked", "-p", "scry", "-p", "scry-python", "--bin", "scry"]
    built = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
    if built.returncode != 0:
        raise SystemExit("the program `scry` does not compile; what cargo says is above")
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    shutil.copy2(TARGET / "release" / "scry", SCRIPTS / "scry")
