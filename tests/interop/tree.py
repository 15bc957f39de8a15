"""Recomputes the log's root from its entries (RFC 6962), and checks a publish's inclusion proof against it."""

import base64
import hashlib
import json
import sys


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves):
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(root_of(leaves[:middle]), root_of(leaves[middle:]))


def root_by(leaf, index, size, proof):
    """RFC 9162, 2.1.3.2."""
    last, node = size - 1, leaf
    for sibling in proof:
        assert last > 0, "the proof is too long"
        if index % 2 == 1 or index == last:
            node = node_hash(sibling, node)
            while index % 2 == 0 and index != 0:
                index, last = index >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    assert last == 0, "the proof is too short"
    return node


def head(note):
    _, size, root = note.splitlines()[:3]
    return int(size), base64.b64decode(root)


def entries(bundle):
    found, at = [], 0
    while at < len(bundle):
        size = int.from_bytes(bundle[at : at + 2], "big")
        found.append(bundle[at + 2 : at + 2 + size])
        at += 2 + size
    return found


bundle_file, checkpoint_file, published_file = sys.argv[1:]
leaves = [leaf_hash(entry) for entry in entries(open(bundle_file, "rb").read())]
size, root = head(open(checkpoint_file).read())
assert len(leaves) == size, f"{len(leaves)} entries, the head has {size}"
assert root_of(leaves) == root, "the root is another"

log = json.load(open(published_file))["log"]
size, root = head(log["checkpoint"])
proof = [bytes.fromhex(hash) for hash in log["proof"]]
assert root_by(leaves[log["index"]], log["index"], size, proof) == root, "the proof leads elsewhere"
