"""A component in another program's process: its forks, its limits, its signals and its floating-point environment."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import scry


def _stopped(component: scry.Component, behaviour: str) -> str:
    try:
        component.predict([{"behaviour": behaviour, "x": 1.0}])
    except scry.LimitError as error:
        return str(error.reason)
    return "answered"


def _predict_rows(component: scry.Component, rows: list[Any]) -> Any:
    return component.predict(rows)


def _in_fork(work: Any) -> str:
    """What `work` says in a forked child, which has to end by itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = work()
        except BaseException as error:  # noqa: BLE001 Told to the parent.
            told = f"{type(error).__name__}: {error}"
        os.write(writing, str(told).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return told


def test_a_forked_child_predicts(titanic: Any) -> None:
    rows = titanic.x[:5].to_dict("records")
    want = titanic.component.predict(rows)
    assert _in_fork(lambda: titanic.component.predict(rows)) == str(want)
    assert _in_fork(lambda: _in_fork(lambda: titanic.component.predict(rows))) == str(want)
    assert titanic.component.predict(rows) == want


def test_a_deadline_ends_a_call_in_a_forked_child(hostile: str) -> None:
    component = scry.Component(hostile, deadline_ms=200, fuel=10**12)
    assert _stopped(component, "loop") == "timeout"
    assert _in_fork(lambda: _stopped(component, "loop")) == "timeout"
    assert _stopped(pickle.loads(pickle.dumps(component)), "loop") == "timeout"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool_predict(titanic: Any, method: str) -> None:
    rows = titanic.x[:20].to_dict("records")
    want = titanic.component.predict(rows)
    with multiprocessing.get_context(method).Pool(2) as pool:
        parts = pool.starmap(_predict_rows, [(titanic.component, rows[at : at + 5]) for at in range(0, 20, 5)])
    assert [row for part in parts for row in part] == want


def _child(code: str, *arguments: str, limit_bytes: int | None = None) -> str:
    def limited() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))

    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=limited,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


ROW = '[{"class": "1st", "age": 29.0, "sex": "female"}]'


def test_memory_is_taken_as_needed(titanic: Any) -> None:
    code = f"import scry, sys; print(scry.Component(sys.argv[1]).predict({ROW}))"
    assert "probabilities" in _child(code, titanic.exported.path, limit_bytes=4_000_000 << 10)


def test_signals_are_pythons(titanic: Any) -> None:
    code = f"""
import faulthandler, signal, sys
def caught():
    told = [line for line in open("/proc/self/status") if line.startswith(("SigCgt", "SigIgn", "SigBlk"))]
    # The C library keeps signals 32 and 33 for its threads.
    return [int(line.split()[1], 16) & 0x7fffffff for line in told]
before = caught()
import scry
component = scry.Component(sys.argv[1])
component.predict({ROW})
assert caught() == before, (before, caught())
faulthandler.enable()
handlers = caught()
component.predict({ROW})
assert caught() == handlers
print("ok")
"""
    assert _child(code, titanic.exported.path) == "ok\n"


def test_a_crash_after_a_prediction_is_still_faulthandlers(titanic: Any) -> None:
    code = f"""
import faulthandler, scry, sys
faulthandler.enable()
scry.Component(sys.argv[1]).predict({ROW})
faulthandler._sigsegv()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, titanic.exported.path], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -11
    assert "Fatal Python error: Segmentation fault" in done.stderr


def test_importing_asks_for_nothing(tmp_path: Path) -> None:
    code = "import scry, sys; scry.Client; print(sorted({'numpy', 'pandas', 'scry._native'} & set(sys.modules)))"
    assert _child(code) == "[]\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="sets a register of x86-64")
def test_flushed_denormals_change_nothing(titanic: Any) -> None:
    libm = ctypes.CDLL("libm.so.6")
    environment = (ctypes.c_uint32 * 8)()
    assert libm.fegetenv(environment) == 0
    plain = environment[7]
    tiny = {"class": "1st", "age": 5e-324, "sex": "female"}
    want = titanic.component.predict([tiny]), titanic.component.transform([tiny])
    environment[7] = plain | 0x8040 | 0x6000  # Denormals are zero and flushed; rounds towards zero.
    assert libm.fesetenv(environment) == 0
    try:
        told = titanic.component.predict([tiny]), titanic.component.transform([tiny])
        assert libm.fegetenv(environment) == 0
        left = environment[7]
    finally:
        environment[7] = plain
        libm.fesetenv(environment)
    assert told == want
    assert left & 0xE040 == 0xE040, "the caller's environment is its own"
