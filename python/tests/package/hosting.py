"""A host of the tests."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import scry

TOKEN = "a-token-of-the-tests"


@contextmanager
def serve(scry_program: str, folder: Path, components: Sequence[Path]) -> Iterator[scry.Client]:
    """A host that serves these, and a client of it."""
    (folder / "scry.toml").write_text(
        '[prediction]\nlisten = "127.0.0.1:0"\nbody_max_bytes = 1000000\n'
        f'[admin]\nlisten = "127.0.0.1:0"\ntoken = "{TOKEN}"\n'
    )
    command = [scry_program, "serve", "--config", "scry.toml", "--data", "data"]
    host = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert host.stdout is not None
        ready = next(line for line in host.stdout if line.startswith("ready "))
        url, admin = (f"http://{address}" for address in re.findall(r"127\.0\.0\.1:\d+", ready)[:2])
        threading.Thread(target=host.stdout.read, daemon=True).start()
        for component in components:
            publish = [scry_program, "publish", component, "--admin", admin, "--admin-token", TOKEN]
            subprocess.run(publish, check=True, capture_output=True)
        yield scry.Client(url, admin_url=admin, token=TOKEN)
    finally:
        host.terminate()
        host.wait(30)
