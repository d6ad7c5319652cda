"""Workers of a run as processes of this machine, for tests: `worker_run.py` in each."""

import json
import os
import socket
from unittest import mock

import numpy as np
import warm


def ports(count):
    """So many that nobody listens at."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    found = [s.getsockname()[1] for s in sockets]
    for each in sockets:
        each.close()
    return found


def places(config, folder, count):
    """The addresses of the workers of a run in folder/run. config: a JSON tree."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    return {"worker": [f"localhost:{port}" for port in ports(count)]}


def start(config, folder, count):
    """[(process, its output)] of all workers of a run; count 1: without a cluster."""
    where = places(config, folder, count)
    return [one(folder, where, number, count) for number in range(count)]


def one(folder, places, number, count):
    """(process, its output) of one worker of `start`."""
    output = folder / f"{number}.npz"
    output.unlink(missing_ok=True)
    cluster = {"cluster": places, "task": {"type": "worker", "index": number}}
    settings = {"TF_CONFIG": json.dumps(cluster)} if count > 1 else {}
    with mock.patch.dict(os.environ, settings):
        arguments = (folder / "config.json", folder / "run", output)
        return warm.Process("worker_run", *arguments), output


def ended(started):
    """[(exit code, what it wrote)] of all workers, in their order."""
    return [(process.communicate(), process.returncode)[::-1] for process, _ in started]


def run(config, folder, count):
    """What each worker of a run ended with; fails where one does not end well."""
    started = start(config, folder, count)
    for code, (out, err) in ended(started):
        assert code == 0, out + err[-3000:]
    return [read(output) for _, output in started]


def read(output):
    """weights, rows, results, step."""
    with np.load(output) as file:
        names = sorted((n for n in file if n.startswith("arr_")), key=lambda n: int(n[4:]))
        kept = {"weights": [file[n] for n in names], "rows": file["rows"]}
        return {**kept, "results": json.loads(str(file["results"])), "step": int(file["step"])}
