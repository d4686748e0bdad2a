"""Signatures as others write and read them: keys by `cryptography`, envelopes by `securesystemslib`.

signatures.py verify PUBLIC_KEY ENVELOPE COMPONENT   checks what `scry sign` has written, and prints the key's name
signatures.py sign COMPONENT OUTPUT                  writes keys, envelopes that count (good-*.json), and others (bad-*.json)
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

STATEMENT = "https://in-toto.io/Statement/v1"
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
IN_TOTO = "application/vnd.in-toto+json"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def verify(public_pem, envelope_file, component):
    public = load_pem_public_key(Path(public_pem).read_bytes())
    document = json.loads(Path(envelope_file).read_text())
    keyid = sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    envelope = Envelope.from_dict(document)
    assert set(envelope.verify([SSlibKey.from_crypto(public, keyid)], 1)) == {keyid}
    assert envelope.payload_type == IN_TOTO
    statement = json.loads(envelope.payload)
    name = Path(component).name
    assert statement == {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256(Path(component).read_bytes())}}],
        "predicateType": SIGNATURE,
        "predicate": {},
    }, statement
    print(keyid)


def statement(digest, **changed):
    subject = {"name": "a component", "digest": digest}
    whole = {"_type": STATEMENT, "subject": [subject], "predicateType": SIGNATURE, "predicate": {"by": ["hand"]}}
    return json.dumps(whole | changed, indent=2).encode()


def signed(payload, *keys, payload_type=IN_TOTO):
    envelope = Envelope(payload, payload_type, {})
    for key in keys:
        envelope.sign(CryptoSigner(key))
    return envelope.to_dict()


def url_safe(document):
    change = lambda text: text.replace("+", "-").replace("/", "_").rstrip("=")  # noqa: E731
    signatures = [{**signature, "sig": change(signature["sig"])} for signature in document["signatures"]]
    return {**document, "payload": change(document["payload"]), "signatures": signatures}


def nameless(document):
    return {**document, "signatures": [{"sig": signature["sig"]} for signature in document["signatures"]]}


def flipped(document, at):
    """One bit of the only signature is another."""
    raw = bytearray(base64.b64decode(document["signatures"][0]["sig"]))
    raw[at // 8] ^= 1 << at % 8
    sig = base64.b64encode(bytes(raw)).decode()
    return {**document, "signatures": [{**document["signatures"][0], "sig": sig}]}


def sign(component, output):
    output = Path(output)
    ours, other, curve = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())
    for name, key in [("ours", ours), ("other", other), ("curve", curve)]:
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (output / f"{name}.key.pem").write_bytes(private)
        (output / f"{name}.pub.pem").write_bytes(public)
    digest = {"sha256": sha256(Path(component).read_bytes())}
    another = {"sha256": sha256(b"another component")}
    plain = signed(statement(digest), ours)
    two = {"subject": [{"digest": another}, {"name": "b", "digest": {**digest, "sha512": "00"}}]}
    several = signed(statement(digest), ours, other, curve)
    unsigned_type = {**signed(statement(digest), ours, payload_type="text/plain"), "payloadType": IN_TOTO}
    cases = {
        "good-plain": plain,
        "good-several-signatures": several,
        "good-ours-last": {**several, "signatures": several["signatures"][::-1]},
        "good-url-safe": url_safe(plain),
        "good-without-key-names": nameless(plain),
        "good-more-members": {**plain, "more": [1]},
        "good-several-subjects": signed(statement(digest, **two), ours),
        "bad-other-key": signed(statement(digest), other),
        "bad-other-kind-of-key": signed(statement(digest), curve),
        "bad-key-name-of-ours": {
            **signed(statement(digest), other),
            "signatures": [
                {"keyid": plain["signatures"][0]["keyid"], "sig": signed(statement(digest), other)["signatures"][0]["sig"]}
            ],
        },
        "bad-other-component": signed(statement(another), ours),
        "bad-only-sha512": signed(statement({"sha512": hashlib.sha512(Path(component).read_bytes()).hexdigest()}), ours),
        "bad-upper-case": signed(statement({"sha256": digest["sha256"].upper()}), ours),
        "bad-no-subject": signed(statement(digest, subject=[]), ours),
        "bad-other-predicate": signed(statement(digest, predicateType="https://example.com/known-to-be-bad/v1"), ours),
        "bad-other-statement": signed(statement(digest, _type="https://in-toto.io/Statement/v9"), ours),
        "bad-other-payload-type": signed(statement(digest), ours, payload_type="application/json"),
        "bad-payload-type-changed": unsigned_type,
        "bad-payload-changed": {**plain, "payload": signed(statement(digest, predicate={}), ours)["payload"]},
        "bad-no-statement": signed(b"not JSON", ours),
        "bad-without-encoding": {
            **plain,
            "signatures": [{"sig": base64.b64encode(ours.sign(statement(digest))).decode()}],
        },
        "bad-no-signature": {**plain, "signatures": []},
        "bad-too-many-signatures": {**plain, "signatures": plain["signatures"] * 9},
        "bad-too-long": {**plain, "more": "x" * 8192},
        "bad-first-bit": flipped(plain, 0),
        "bad-last-bit": flipped(plain, 511),
    }
    for name, document in cases.items():
        (output / f"{name}.json").write_text(json.dumps(document, indent=1))
    # Where a member is there twice, readers differ in what they see.
    twice = json.dumps(plain)[:-1] + ', "payload": "e30="}'
    (output / "bad-member-twice.json").write_text(twice)
    (output / "bad-cut-short.json").write_text(json.dumps(plain)[:-5])


if __name__ == "__main__":
    {"verify": verify, "sign": sign}[sys.argv[1]](*sys.argv[2:])
