"""Measures what `run` cannot measure in a shell: time to handshake, and peak memory of short-lived processes.

    measure.py handshake PROVIDER CERTIFICATE ROUNDS
    measure.py watch PROVIDER -- COMMAND…      wall time of COMMAND, peak memory of every PROVIDER it starts
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time

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
        times.append((time.perf_counter() - start) * 1000)
        if not line.startswith(b"1|6|unix|"):
            sys.exit(f"no handshake: {line!r}")
        peaks.append(peak_kib(process.pid))
        process.kill()
        process.wait()
    times.sort()
    return {
        "rounds": rounds,
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95) - 1], 1),
        "least_ms": round(times[0], 1),
        "peak_mib": round(max(peaks) / 1024, 1),
    }


def watch(provider, command):
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
    start = time.perf_counter()
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    return {
        "exit": ended.returncode,
        "seconds": round(seconds, 2),
        "provider_processes": len(peaks),
        "peak_mib": round(max(peaks.values(), default=0) / 1024, 1),
    }


def main():
    if sys.argv[1] == "handshake":
        result = handshake(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        result = watch(sys.argv[2], sys.argv[4:])
    print(json.dumps(result))


main()
