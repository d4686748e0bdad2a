"""What the benchmark asks of a tool: TASK FILES. The answer is one line of JSON, the last that is printed.

Time begins when the tool is imported, and ends with its findings; files are read within it.
"""

import importlib.metadata
import json
import sys
import time

import pandas as pd


def read(path):
    return pd.read_csv(path) if path.endswith(".csv") else pd.read_parquet(path)


def fields(path):
    """The columns that validation expects: name, minimum, maximum, nullable."""
    with open(path) as file:
        return json.load(file)


def peak_mib():
    """The most memory that this process has had."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def answer(package, tasks):
    task, files = sys.argv[1], sys.argv[2:]
    start = time.perf_counter()
    found = tasks[task](*files)
    seconds = time.perf_counter() - start
    print()
    said = {"version": importlib.metadata.version(package), "seconds": seconds, "peak_mib": peak_mib()}
    print(json.dumps({**said, **found}))
