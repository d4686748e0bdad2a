"""A host, asked over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from . import _arrow, _rows
from ._http import Transport, tls_context
from ._warn import warn
from .errors import CheckWarning, DegradedWarning, HostError, RejectedError, ScryError

# Of V2's types, how `_rows` and `memoryview` name them.
CODES = {
    "BOOL": "b1", "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8", "UINT8": "u1", "UINT16": "u2",
    "UINT32": "u4", "UINT64": "u8", "FP32": "f4", "FP64": "f8", "BYTES": "text",
}  # fmt: skip
FORMATS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f4": "f",
    "f8": "d",
}  # fmt: skip


class Client:
    """A running host. Needs the standard library alone.

    `url` is its prediction listener; `admin_url` the admin listener, which wants a `token` (by default that of
    SCRY_ADMIN_TOKEN). A host with a token file wants a `prediction_token` for predictions (by default that of
    SCRY_TOKEN). `ca` is a file of the authorities that certificates are trusted by (by default that of SCRY_CA, else
    the system's), `client_cert` the files of a certificate and its key, for a host that asks for one. An attempt may take `timeout` seconds. A host that cannot be reached, or says when to come back,
    is asked again up to `retries` times.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        token: str | None = None,
        admin_url: str | None = None,
        prediction_token: str | None = None,
        ca: str | None = None,
        client_cert: tuple[str, str] | None = None,
        timeout: float = 10.0,
        retries: int = 2,
    ) -> None:
        token = token if token is not None else os.environ.get("SCRY_ADMIN_TOKEN", "")
        own = prediction_token if prediction_token is not None else os.environ.get("SCRY_TOKEN", "")
        tls = tls_context(ca or os.environ.get("SCRY_CA"), client_cert)
        self._predictions = Transport(url.rstrip("/"), own.strip() or None, timeout, retries, tls)
        self._admin = (
            None
            if admin_url is None
            else Transport(admin_url.rstrip("/"), token.strip() or None, timeout, retries, tls)
        )

    def predict(self, model: str, x: Any, *, batch_rows: int = 1000) -> Any:
        """Predictions of all rows by `churn`, `churn@3`, `churn@champion` or `churn@sha256:…`.

        Takes what `Component.predict` takes, and answers in kind. A request has `batch_rows` rows at most; `churn` may
        be another version in the next one.
        """
        if batch_rows < 1:
            raise ScryError(f"batch_rows: expected 1 or more, found {batch_rows}")
        asked = _Asked(self._predictions, model, batch_rows)
        if not isinstance(x, Sequence) or isinstance(x, str | bytes):
            return _rows.ask(asked, {"schema": {"inputs": asked.inputs()}}, x, features=False)
        answers = []
        for start in range(0, len(x) or 1, batch_rows):
            with _counted_from(start):
                answers += json.loads(asked.records(False, _rows.rows_json(x[start : start + batch_rows])))
        return answers

    def schema(self, model: str) -> dict[str, Any]:
        """What the model reads and answers, as V2 tells it."""
        return self._predictions.json("GET", _path("v2", model, ""))

    def models(self) -> list[dict[str, Any]]:
        """What the host serves; asks the admin listener."""
        if self._admin is None:
            raise ScryError(
                "the admin listener's address is not known: give `admin_url`, such as http://127.0.0.1:8081"
            )
        return self._admin.json("GET", "/v1/models")["models"]

    def live(self) -> bool:
        """Whether the host answers now."""
        return self._is_well("/v2/health/live")

    def ready(self, model: str | None = None) -> bool:
        """Whether the host, or a model, can answer requests now."""
        return self._is_well("/v2/health/ready" if model is None else _path("v2", model, "/ready"))

    def _is_well(self, path: str) -> bool:
        try:
            return replace(self._predictions, retries=0).answer("GET", path)[0] == 200
        except HostError:
            return False

    def __repr__(self) -> str:
        return f"<scry client of {self._predictions.url}>"


def _path(protocol: str, model: str, end: str) -> str:
    name, _, version = model.partition("@")
    versions = f"/versions/{quote(version, safe=':')}" if version else ""
    return f"/{protocol}/models/{quote(name, safe='')}{versions}{end}"


@contextmanager
def _counted_from(start: int) -> Iterator[None]:
    """Counts the rows of errors in a batch as the caller does."""
    try:
        yield
    except RejectedError as error:
        if start == 0:
            raise
        findings = [{**each, "row": None if each["row"] is None else each["row"] + start} for each in error.findings]
        row = None if error.row is None else error.row + start
        raise RejectedError(f"counted from row {start}: {error}", findings, error.unlisted, row) from None


def _row_shape(told: dict[str, Any]) -> list[int]:
    """Of one row of an input, by V2's metadata."""
    return [] if told.get("parameters", {}).get("scalar") else told["shape"][1:]


class _Asked:
    """A host as `_rows` asks: in place of a component of this process."""

    def __init__(self, transport: Transport, model: str, batch_rows: int) -> None:
        self.transport = transport
        self.model = model
        self.batch_rows = batch_rows
        self.fields: list[dict[str, Any]] = []

    def inputs(self) -> list[dict[str, Any]]:
        told = self.transport.json("GET", _path("v2", self.model, ""))
        self.fields = [{**each, "shape": _row_shape(each)} for each in told["inputs"]]
        return self.fields

    def records(self, features: bool, rows: str) -> str:
        path = _path("v1", self.model, ":predict")
        headers, answer = self.transport.ask("POST", path, f'{{"instances":{rows}}}')
        found = [f"field `{each['field']}`: {each['msg']}" for each in answer.get("warnings", [])]
        _warn(found, headers.get("scry-degraded"))
        return json.dumps(answer["predictions"])

    def columns(self, features: bool, rows: int, given: Any) -> list[Any]:
        by_name = {name: _elements(name, rows, code, data) for name, code, data in given}
        return [(name, CODES[kind], data, shape, None) for name, kind, data, shape in self._infer(rows, by_name)]

    def arrow(self, features: bool, x: Any) -> Any:
        rows, columns = _arrow.read(x, [field["name"] for field in self.fields])
        _rows.check_columns(list(columns), self.fields)
        plain = {
            name: [_rows.plain(value, name, row) for row, value in enumerate(data)] for name, data in columns.items()
        }
        return _arrow.table(x, self._infer(rows, plain))

    def _infer(self, rows: int, columns: dict[str, list[Any]]) -> list[tuple[str, str, list[Any], tuple[int, ...]]]:
        """Name, type, elements and shape of a row of each output."""
        parts = []
        for start in range(0, rows or 1, self.batch_rows):
            count = min(self.batch_rows, rows - start)
            with _counted_from(start):
                parts.append(self._infer_batch(count, {
                    name: data[start * len(data) // (rows or 1) : (start + count) * len(data) // (rows or 1)]
                    for name, data in columns.items()
                }))  # fmt: skip
        return [
            (each[0]["name"], each[0]["datatype"], [value for part in each for value in part["data"]],
             tuple(each[0]["shape"][1:]))
            for each in zip(*parts, strict=True)
        ]  # fmt: skip

    def _infer_batch(self, rows: int, columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
        tensors = [
            {
                "name": field["name"], "datatype": field["datatype"], "shape": [rows, *field["shape"]],
                "data": _fitting(columns[field["name"]], field["datatype"]),
            }
            for field in self.fields if field["name"] in columns
        ]  # fmt: skip
        answer = self.transport.json("POST", _path("v2", self.model, "/infer"), json.dumps({"inputs": tensors}))
        told = answer.get("parameters", {})
        _warn(told.get("scry-warnings", []), told.get("scry-degraded"))
        return answer["outputs"]


def _elements(name: str, rows: int, code: str, data: Any) -> list[Any]:
    """The elements of an array's bytes, as JSON has them."""
    if isinstance(data, bytes):
        data = memoryview(data).cast(FORMATS[code]).tolist()
    per_row = max(1, len(data) // max(1, rows))
    return [_rows.plain(value, name, at // per_row) for at, value in enumerate(data)]


def _fitting(values: list[Any], datatype: str) -> list[Any]:
    """Whole numbers as such: pandas writes those of which some are missing as floats."""
    if "INT" not in datatype:
        return values
    return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]


def _warn(found: list[str], degraded: str | None) -> None:
    if found:
        warn("; ".join(found), CheckWarning)
    if degraded:
        warn(f"a fallback answered: {degraded}", DegradedWarning)
