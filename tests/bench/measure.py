"""Measures what `run` cannot measure in a shell: small times, processor time, peak memory of short-lived processes.

    measure.py handshake PROVIDER CERTIFICATE ROUNDS
    measure.py watch PROVIDER SERVER -- COMMAND…   wall time of COMMAND, peak memory of every PROVIDER that it starts,
                                                   processor time of the process SERVER and of the programs it runs
    measure.py credentials CONNECTION ROUNDS       opens and closes a login to a database at IDP_SERVER
    measure.py psql ROUNDS -- COMMAND…             wall time of psql, and of each round of a script that times itself
"""

import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

COOKIE = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"


def peak_kib(pid):
    """Peak resident memory of a process, 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def milliseconds(times):
    """What a list of times in seconds comes to."""
    times = sorted(times)
    return {
        "median_ms": round(statistics.median(times) * 1000, 1),
        "p95_ms": round(times[max(0, int(len(times) * 0.95) - 1)] * 1000, 1),
    }


def handshake(provider, certificate, rounds):
    """Starts the provider as terraform does and waits for the line that says where it listens."""
    with open(certificate, encoding="ascii") as pem:
        environment = {
            "PATH": os.environ["PATH"],
            "TF_PLUGIN_MAGIC_COOKIE": COOKIE,
            "PLUGIN_PROTOCOL_VERSIONS": "6,5",
            "PLUGIN_MIN_PORT": "10000",
            "PLUGIN_MAX_PORT": "25000",
            "PLUGIN_CLIENT_CERT": pem.read(),
        }
    times, peaks = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        process = subprocess.Popen(
            [provider],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        line = process.stdout.readline()
        times.append(time.perf_counter() - start)
        if not line.startswith(b"1|6|unix|"):
            sys.exit(f"no handshake: {line!r}")
        peaks.append(peak_kib(process.pid))
        process.kill()
        process.wait()
    return {
        "rounds": rounds,
        **milliseconds(times),
        "least_ms": round(min(times) * 1000, 1),
        "peak_mib": round(max(peaks) / 1024, 1),
    }


def processor_seconds(pid):
    """Processor time of a process, and of its children that ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        own_and_children = stat.read().rpartition(")")[2].split()[11:15]
    user, system, of_children, system_of_children = (
        int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in own_and_children
    )
    return user + system, of_children + system_of_children


def watch(provider, server, command):
    """Runs a command and looks again and again at every process that runs the provider."""
    provider = os.path.realpath(provider)
    peaks, done = {}, threading.Event()

    def look():
        while not done.wait(0.005):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if os.readlink(f"/proc/{pid}/exe") == provider:
                        peaks[pid] = max(peaks.get(pid, 0), peak_kib(pid))
                except OSError:
                    pass

    watcher = threading.Thread(target=look)
    watcher.start()
    own, programs = processor_seconds(server)
    start = time.perf_counter()
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - start
    own_after, programs_after = processor_seconds(server)
    done.set()
    watcher.join()
    return {
        "exit": ended.returncode,
        "seconds": round(seconds, 2),
        "provider_processes": len(peaks),
        "peak_mib": round(max(peaks.values(), default=0) / 1024, 1),
        "server_cpu": round(own_after - own, 2),
        "git_cpu": round(programs_after - programs, 2),
    }


def credentials(connection, rounds):
    """Opens and closes a login over one connection, as the provider does."""
    api = http.client.HTTPConnection(urllib.parse.urlsplit(os.environ["IDP_SERVER"]).netloc)
    headers = {"Authorization": f"Bearer {os.environ['IDP_TOKEN']}", "Content-Type": "application/json"}

    def ask(method, path, body, expected):
        start = time.perf_counter()
        api.request(method, f"/api/v1/{path}", body, headers)
        answer = api.getresponse()
        text = answer.read()
        if answer.status != expected:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return time.perf_counter() - start, text

    times, lease = [], None
    for _ in range(rounds):
        opening, made = ask("POST", f"connections/{connection}/credentials", '{"privilege":"write"}', 201)
        lease = json.loads(made)["id"]
        closing, _ = ask("DELETE", f"credentials/{lease}", None, 204)
        times.append((opening, closing))
    return {
        "lease": lease,
        "open": milliseconds([opening for opening, _ in times]),
        "close": milliseconds([closing for _, closing in times]),
        **milliseconds([opening + closing for opening, closing in times]),
    }


def psql(rounds, command):
    """Runs psql on a script of as many equal rounds."""
    start = time.perf_counter()
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    if ended.returncode != 0:
        sys.exit("psql failed")
    times = [float(took) / 1000 for took in re.findall(r"^Time: ([\d.]+) ms", ended.stdout, re.MULTILINE)]
    length = len(times) // rounds
    by_round = [sum(times[first : first + length]) for first in range(0, len(times), length)]
    return {"seconds": round(seconds, 2), "statements": len(times), **milliseconds(by_round)}


def main():
    match sys.argv[1:]:
        case ["handshake", provider, certificate, rounds]:
            result = handshake(provider, certificate, int(rounds))
        case ["watch", provider, server, "--", *command]:
            result = watch(provider, server, command)
        case ["credentials", connection, rounds]:
            result = credentials(connection, int(rounds))
        case ["psql", rounds, "--", *command]:
            result = psql(int(rounds), command)
        case _:
            sys.exit(__doc__)
    print(json.dumps(result))


main()
