"""Prints a bundle whose statement says one thing more than was signed."""

import base64
import json
import sys

bundle = json.load(open(sys.argv[1]))
envelope = bundle["dsseEnvelope"]
statement = json.loads(base64.b64decode(envelope["payload"]))
statement["predicate"]["version"] = "9.9.9"
envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
print(json.dumps(bundle))
