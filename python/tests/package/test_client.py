"""The client and a real host."""

from __future__ import annotations

import datetime
import http.server
import json
import math
import pathlib
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scry
from hosting import TOKEN, serve
from scry._http import Transport


@pytest.fixture(scope="module")
def host(
    titanic: Any, cells: Any, scry_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[scry.Client]:
    """A host that serves both models."""
    with serve(scry_program, tmp_path_factory.mktemp("host"), [titanic.exported.path, cells.exported.path]) as client:
        yield client


def test_every_kind_of_table_is_answered_as_by_the_component(host: scry.Client, titanic: Any, cells: Any) -> None:
    x = titanic.x
    want = titanic.component.predict(x)
    told = host.predict("titanic", x)
    assert told["label"].equals(want["label"]) and told.index.equals(x.index)
    assert np.array_equal(np.stack(told["probabilities"]), np.stack(want["probabilities"]))
    for kind in (pl.from_pandas, pa.Table.from_pandas, lambda x: pa.Table.from_pandas(x).to_batches()[0]):
        table, wanted = host.predict("titanic@1", kind(x)), titanic.component.predict(kind(x))
        assert type(table) is type(wanted) and table.schema == wanted.schema
        assert pa.table(table).equals(pa.table(wanted))
    rows = x[:50].to_dict("records")
    assert host.predict("titanic", rows) == titanic.component.predict(rows)
    assert host.predict("cells", cells.x).tolist() == cells.model.predict(cells.x).tolist()


def test_a_column_that_is_missing_or_comes_twice_is_refused_as_by_the_component(host: scry.Client, titanic: Any) -> None:
    other = titanic.x.rename(columns={"age": "Age"})
    twice = pd.concat([titanic.x, titanic.x[["age"]]], axis=1)
    for x in (other, pl.from_pandas(other), pa.table(other), twice):
        with pytest.raises(scry.RejectedError) as here:
            titanic.component.predict(x)
        with pytest.raises(scry.RejectedError) as there:
            host.predict("titanic", x)
        assert (str(there.value), there.value.field) == (str(here.value), "age")


def test_a_client_sees_what_is_served(host: scry.Client) -> None:
    assert host.live() and host.ready() and host.ready("titanic")
    assert not host.ready("nobody")
    assert {each["model"] for each in host.models()} == {"titanic", "cells"}
    assert [each["name"] for each in host.schema("titanic")["outputs"]] == ["label", "probabilities"]


def test_rows_are_sent_in_batches(host: scry.Client, titanic: Any, cells: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    once = Transport._once
    monkeypatch.setattr(Transport, "_once", lambda *told: (sent.append(told[1]), once(*told))[1])
    x = titanic.x
    for kind in (lambda x: x, pl.from_pandas, pa.Table.from_pandas, lambda x: x.to_dict("records")):
        sent.clear()
        told = host.predict("titanic", kind(x), batch_rows=500)
        assert sent.count("POST") == 3
        labels = [row["label"] for row in told] if isinstance(told, list) else np.asarray(told["label"]).tolist()
        assert labels == titanic.model.predict(x).tolist()
    told = host.predict("cells", cells.x, batch_rows=568)
    assert told.tolist() == cells.model.predict(cells.x).tolist()
    wrong = x.astype({"age": object})
    wrong.iloc[1001, wrong.columns.get_loc("age")] = "old"
    for rows in (wrong, wrong.to_dict("records")):
        with pytest.raises(scry.RejectedError, match="counted from row 1000: .*row 1") as error:
            host.predict("titanic", rows)
        assert (error.value.field, error.value.row) == ("age", 1001)
    with pytest.raises(scry.ScryError, match="batch_rows: expected 1 or more"):
        host.predict("titanic", x, batch_rows=0)


def test_a_request_that_is_too_long_is_told_so(host: scry.Client, cells: Any) -> None:
    x = np.tile(cells.x, (50, 1))
    with pytest.raises(scry.HostError) as error:
        host.predict("cells", x, batch_rows=len(x))
    assert (error.value.status, error.value.reason) == (413, "body-too-large")


def test_answers_of_a_fallback_are_warned_of(host: scry.Client, cells: Any) -> None:
    admin = host._admin
    assert admin is not None
    change = {"to": 1, "fallback": [{"constant": {"prediction": 0.5}}]}
    admin.json("POST", "/v1/models/cells/deploy", json.dumps(change))
    admin.json("POST", "/v1/models/cells/circuit", '{"state": "open"}')
    try:
        rows = [{f"x{at}": value for at, value in enumerate(row)} for row in cells.x[:2].tolist()]
        with pytest.warns(scry.DegradedWarning, match="circuit-open") as warned:
            assert host.predict("cells", rows) == [{"prediction": 0.5}] * 2
        assert warned[0].filename == __file__
        with pytest.warns(scry.DegradedWarning, match="circuit-open"):
            assert host.predict("cells", cells.x[:2]).tolist() == [0.5, 0.5]
    finally:
        admin.json("POST", "/v1/models/cells/circuit", '{"state": "auto"}')
        admin.json("POST", "/v1/models/cells/rollback", "{}")


def test_what_json_cannot_hold_is_named_with_field_and_row(host: scry.Client, titanic: Any) -> None:
    x = titanic.x[:3]
    date = datetime.date(1912, 4, 15)
    for value, check in ((math.inf, "finite"), (date, "type"), (np.datetime64(date, "ns"), "type")):
        frame = x.astype({"age": object}).assign(age=[1.0, value, 2.0])
        for rows in (frame, frame.to_dict("records")):
            with pytest.raises(scry.RejectedError) as error:
                host.predict("titanic", rows)
            assert (error.value.field, error.value.row) == ("age", 1)
            assert error.value.findings[0]["check"] == check
    unread = x.assign(day=datetime.date(1912, 4, 15))
    assert host.predict("titanic", unread).equals(host.predict("titanic", x))
    with pytest.raises(scry.RejectedError) as error:
        host.predict("titanic", unread.to_dict("records"))
    assert error.value.field == "day"


def test_errors_have_their_names(host: scry.Client, titanic: Any) -> None:
    rows = titanic.x[:3].to_dict("records")
    rows[1]["age"] = "old"
    for x in (rows, titanic.x[:3].astype({"age": object}).assign(age=[1.0, "old", 2.0])):
        with pytest.raises(scry.RejectedError) as rejected:
            host.predict("titanic", x)
        assert (rejected.value.field, rejected.value.row) == ("age", 1)
    with pytest.raises(scry.HostError) as unknown:
        host.predict("nobody", titanic.x)
    assert unknown.value.status == 404
    with pytest.raises(scry.HostError) as refused:
        scry.Client(admin_url=host._admin.url, token="another").models()
    assert refused.value.status == 401
    with pytest.raises(scry.ScryError, match="admin_url"):
        scry.Client().models()
    with pytest.warns(scry.CheckWarning, match="age"):
        host.predict("titanic", titanic.x[:1].assign(age=1e6))


def _certificates(folder: pathlib.Path) -> None:
    """An authority, and a certificate by it for loopback."""
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    by_ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]
    by_ca += ["-addext", "subjectAltName=IP:127.0.0.1"]
    for command in (
        ["-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign"],
        ["-subj", "/CN=host", "-keyout", "key.pem", "-out", "cert.pem", *by_ca],
    ):
        subprocess.run(["openssl", "req", "-x509", *ec, *command], check=True, capture_output=True, cwd=folder)


def test_a_host_with_certificates_and_tokens_is_asked_with_both(
    cells: Any, scry_program: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _certificates(tmp_path)
    made = subprocess.run(
        [scry_program, "token", "new", "one", "--scope", "predict:cells"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    tls = 'certificate = "cert.pem"\nkey = "key.pem"\n'
    (tmp_path / "scry.toml").write_text(
        f'prediction.listen = "127.0.0.1:0"\nadmin.listen = "127.0.0.1:0"\nadmin.token = "{TOKEN}"\n'
        f'access.token_file = "tokens.toml"\n[prediction.tls]\n{tls}[admin.tls]\n{tls}'
    )
    command = [scry_program, "serve", "--config", "scry.toml", "--data", "data"]
    serving = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert serving.stdout is not None
        url, admin = re.findall(r"https://127\.0\.0\.1:\d+", serving.stdout.readline())
        publish = [scry_program, "publish", cells.exported.path, "--name", "cells", "--admin", admin]
        more = ["--admin-token", TOKEN, "--ca", str(tmp_path / "ca.pem")]
        subprocess.run([*publish, *more], check=True, capture_output=True)
        ca, token = str(tmp_path / "ca.pem"), made.stdout.strip()
        host = scry.Client(url, ca=ca, prediction_token=token, admin_url=admin, token=TOKEN)
        assert host.ready("cells") and host.schema("cells")["inputs"]
        assert [model["model"] for model in host.models()] == ["cells"]
        for kept, status, reason in (("", 401, "unauthenticated"), (TOKEN, 404, None)):
            with pytest.raises(scry.HostError) as refused:
                scry.Client(url, ca=ca, prediction_token=kept).schema("other")
            assert (refused.value.status, refused.value.reason) == (status, reason)
        with pytest.raises(scry.HostError, match="predict:other"):
            host.schema("other")
        with pytest.raises(scry.HostError, match="CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
            scry.Client(url, prediction_token=token, retries=0).schema("cells")
        monkeypatch.setenv("SCRY_CA", ca)
        monkeypatch.setenv("SCRY_TOKEN", token)
        assert scry.Client(url).ready("cells")
    finally:
        serving.terminate()
        serving.wait(30)
    with pytest.raises(scry.ScryError, match="expected files of certificates"):
        scry.Client(ca=str(tmp_path / "tokens.toml"))


def test_a_host_that_is_not_there_is_an_error() -> None:
    with pytest.raises(scry.HostError, match="does not answer"):
        scry.Client("http://127.0.0.1:9", retries=0).schema("m")


def test_a_host_that_is_not_there_is_neither_live_nor_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("time.sleep")
    client = scry.Client("http://127.0.0.1:9", retries=5)
    assert (client.live(), client.ready(), client.ready("m")) == (False, False, False)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"url": "nowhere"}, "'nowhere' is no address of a host"),
        ({"url": "http://127.0.0.1:eight"}, "is no address of a host"),
        ({"url": "http://127.0.0.1:80800"}, "is no address of a host"),
        ({"url": "http://[::1"}, "is no address of a host"),
        ({"timeout": 0}, "timeout: expected seconds above 0, found 0"),
        ({"timeout": math.nan}, "timeout: expected seconds above 0, found nan"),
        ({"retries": -1}, "retries: expected 0 or more, found -1"),
    ],
)
def test_what_no_client_can_work_with_is_refused_at_once(told: dict[str, Any], message: str) -> None:
    with pytest.raises(scry.ScryError, match=message):
        scry.Client(**told)


def test_tokens_are_tidied_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRY_ADMIN_TOKEN", " of-the-environment\n")
    client = scry.Client(admin_url="http://127.0.0.1:9")
    assert client._admin is not None and client._admin.token == "of-the-environment"
    assert "environment" not in repr(client._admin)
    for token in ("se\ncret", "s\u00e9cret"):
        with pytest.raises(scry.ScryError, match="token: expected printable ASCII") as error:
            scry.Client(admin_url="http://127.0.0.1:9", token=token)
        assert "cret" not in str(error.value)


def test_a_host_that_takes_too_long_is_not_asked_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = scry.Client(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.2, retries=3)
        with pytest.raises(scry.HostError, match="timed out"):
            client.schema("m")
        server.accept()[0].close()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


class _Busy(http.server.BaseHTTPRequestHandler):
    """Has no time at first."""

    answers: list[tuple[int, dict[str, str], bytes]] = []

    def do_GET(self) -> None:
        status, headers, body = self.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_a_busy_host_is_asked_again_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    busy = (503, {"Retry-After": "3", "scry-reason": "overload"}, b'{"error": "no room"}')
    lasting = (503, {"scry-reason": "drift"}, b'{"error": "inputs drift"}')
    with http.server.HTTPServer(("127.0.0.1", 0), _Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = scry.Client(f"http://127.0.0.1:{server.server_port}", retries=2)
        _Busy.answers = [busy, busy, (200, {}, b'{"inputs": []}')]
        assert client.schema("m") == {"inputs": []}
        assert [3 <= pause <= 3.6 for pause in pauses] == [True, True]
        _Busy.answers = [busy, busy, busy]
        with pytest.raises(scry.HostError) as error:
            client.schema("m")
        assert (error.value.status, error.value.reason, len(pauses)) == (503, "overload", 4)
        _Busy.answers = [lasting]
        with pytest.raises(scry.HostError, match="drift"):
            client.schema("m")
        assert len(pauses) == 4  # A lasting error is not asked about again.
        _Busy.answers = [(503, {"Retry-After": "31", "scry-reason": "overload"}, b'{"error": "no room"}')]
        with pytest.raises(scry.HostError, match="no room"):
            client.schema("m")
        assert len(pauses) == 4  # Nor is a host that wants a long pause.
        server.shutdown()
