"""Clients of a host that speaks TLS: `client.py WHAT URL`, with the files of the certificates in the environment.

Each prints a line for each step, and waits for a line on stdin where the test has something to do.
"""

import http.client
import json
import os
import socket
import ssl
import sys

import httpx
import requests

CA = os.environ["CA"]
CERTIFICATE = (os.environ["CERT"], os.environ["KEY"]) if "CERT" in os.environ else None
HEADERS = {"authorization": "Bearer " + os.environ["TOKEN"]} if "TOKEN" in os.environ else {}
BODY = os.environ.get("BODY", "{}")
if "BODY_FILE" in os.environ:
    BODY = open(os.environ["BODY_FILE"]).read()


def context():
    made = ssl.create_default_context(cafile=CA)
    if CERTIFICATE:
        made.load_cert_chain(*CERTIFICATE)
    return made


def address(url):
    host, port = url.removeprefix("https://").split(":")
    return host, int(port)


def connected(url):
    return context().wrap_socket(socket.create_connection(address(url), timeout=30), server_hostname="localhost")


def step(text):
    print(text, flush=True)
    return sys.stdin.readline()


def libraries(url):
    """Both libraries, with one connection each for several requests."""
    infer = url + "/v2/models/steady/infer"
    session = requests.Session()
    session.headers.update(HEADERS)
    with httpx.Client(verify=context(), headers=HEADERS) as client:
        for _ in range(3):
            by_requests = session.post(infer, data=BODY, verify=CA, cert=CERTIFICATE, timeout=30)
            by_httpx = client.post(infer, content=BODY, timeout=30)
            assert by_httpx.http_version == "HTTP/1.1"
            answers = [by_requests.json()["outputs"], by_httpx.json()["outputs"]]
            print(json.dumps([by_requests.status_code, by_httpx.status_code, *answers]), flush=True)


def refused(url):
    """Why each library gets no answer."""
    for name, ask in [
        ("requests", lambda: requests.get(url + "/v2", verify=CA, timeout=30)),
        ("httpx", lambda: httpx.get(url + "/v2", verify=ssl.create_default_context(cafile=CA), timeout=30)),
    ]:
        try:
            print(name, ask().status_code, flush=True)
        except (requests.exceptions.ConnectionError, httpx.TransportError) as error:
            print(name, "refused", error, flush=True)


def serial(url):
    """The serial number of the certificate that a new connection gets."""
    with connected(url) as tls:
        print(tls.getpeercert()["serialNumber"], tls.version(), tls.selected_alpn_protocol(), flush=True)


def lasting(url):
    """One connection that is used before and after something happens."""
    connection = http.client.HTTPSConnection(*address(url), context=context(), timeout=30)
    for _ in range(2):
        connection.request("GET", "/v2/health/live")
        answer = connection.getresponse()
        answer.read()
        step(f"{answer.status} {connection.sock.getpeercert()['serialNumber']} {connection.sock.getsockname()[1]}")


def request():
    head = f"POST /v2/models/{os.environ['MODEL']}/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(BODY)}\r\n"
    return (head + "\r\n" + BODY).encode()


def leaving(url):
    """A client that leaves while its request is answered, in the way that LEAVE says."""
    tls = connected(url)
    tls.sendall(request())
    step("asked")
    if os.environ["LEAVE"] == "reset":
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        tls.close()
    elif os.environ["LEAVE"] == "notify":
        tls.settimeout(0.2)
        try:
            tls.unwrap()
        except (TimeoutError, ssl.SSLError, OSError):
            pass
        tls.close()
    else:
        tls.close()
    step("left")


def deaf(url):
    """A client that reads nothing of its answer."""
    tls = connected(url)
    tls.sendall(request())
    step("sent")


def slow(url):
    """A client that reads its answer in small pieces, with a pause before each: the whole answer's length."""
    import time

    tls = connected(url)
    tls.sendall(request())
    received = b""
    while b"\r\n\r\n" not in received:
        received += tls.recv(4096)
    head, body = received.split(b"\r\n\r\n", 1)
    [length] = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    got = len(body)
    while got < length:
        time.sleep(float(os.environ["PAUSE"]))
        part = tls.recv(65536)
        if not part:
            break
        got += len(part)
    print(got == length, flush=True)


globals()[sys.argv[1]](sys.argv[2])
