"""Takes a signed note (C2SP signed-note) apart: the log's public key as PEM, the signed text, the signature."""

import base64
import hashlib
import json
import sys

checkpoint, trust, key_file, body_file, signature_file = sys.argv[1:]
name, _, key = json.load(open(trust))["log_key"].split("+", 2)
key = base64.b64decode(key)
assert key[0] == 1, "not an Ed25519 key"
# SubjectPublicKeyInfo of Ed25519 (RFC 8410) is a fixed prefix and the key.
spki = bytes.fromhex("302a300506032b6570032100") + key[1:]
with open(key_file, "w") as file:
    pem = base64.b64encode(spki).decode()
    file.write(f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n")
body, signatures = open(checkpoint).read().split("\n\n", 1)
dash, signer, signature = signatures.splitlines()[0].split(" ")
signature = base64.b64decode(signature)
key_hash = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
assert (dash, signer, signature[:4]) == ("\u2014", name, key_hash), "signed by another key"
with open(body_file, "w") as file:
    file.write(body + "\n")
with open(signature_file, "wb") as file:
    file.write(signature[4:])
