"""Publishes prepared archives as fast as the server takes them.

    upload.py FOLDER CONNECTIONS

FOLDER holds NAME.tar.gz and NAME.tar.gz.sigstore.json of golden/NAME/null 1.0.0. Prints publishes a second.
"""

import http.client
import os
import pathlib
import sys
import threading
import time
import urllib.parse

BOUNDARY = "a-boundary-that-no-archive-has"


def part(name, filename, content):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


def request(archive):
    bundle = archive.with_name(archive.name + ".sigstore.json")
    body = part("archive", archive.name, archive.read_bytes()) + part("bundle", bundle.name, bundle.read_bytes())
    name = archive.name.removesuffix(".tar.gz")
    return f"/api/v1/modules/golden/{name}/null/1.0.0", body + f"--{BOUNDARY}--\r\n".encode()


folder, connections = pathlib.Path(sys.argv[1]), int(sys.argv[2])
server = urllib.parse.urlparse(os.environ["IDP_SERVER"])
headers = {
    "Authorization": "Bearer " + os.environ["IDP_TOKEN"],
    "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
}
requests = [request(archive) for archive in sorted(folder.glob("*.tar.gz"))]
waiting, lock, wrong = iter(requests), threading.Lock(), []


def work():
    connection = http.client.HTTPConnection(server.hostname, server.port)
    while True:
        with lock:
            found = next(waiting, None)
        if found is None:
            return
        path, body = found
        connection.request("PUT", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            wrong.append(f"{path}: {answer.status} {text[:200]!r}")


threads = [threading.Thread(target=work) for _ in range(connections)]
start = time.perf_counter()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
seconds = time.perf_counter() - start
if wrong:
    sys.exit("\n".join(wrong[:5]))
print(f"{len(requests) / seconds:.1f}")
