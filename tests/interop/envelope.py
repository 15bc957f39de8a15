"""Writes what a bundle's signature is over (DSSE's pre-authentication encoding), and the signature."""

import base64
import json
import sys

bundle, signed, signature = sys.argv[1:]
envelope = json.load(open(bundle))["dsseEnvelope"]
kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
with open(signed, "wb") as file:
    file.write(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
with open(signature, "wb") as file:
    file.write(base64.b64decode(envelope["signatures"][0]["sig"]))
