"""Several workers: processes of this machine that train one run, and what they tell each other."""

import copy
import json
import pickle
import signal
import socket
import threading
import time
import types

import cluster
import numpy as np
import pytest
import test_trainer

from tfvision import config as configs
from tfvision import errors, training
from tfvision.training import distributed

records = test_trainer.records
pytestmark = pytest.mark.usefixtures("small_model")

# Batch statistics would be of a worker's own images: with them another number of workers learns
# something else. They stay as they are here.
SETTINGS = {
    "inputs": {"augment": [{"name": "horizontal_flip"}], "resize": "stretch", "image_size": 12},
    "weights": {"freeze": ["(gamma|beta)$"]},
    "train": {"steps": 90, "ema": 0.9, "checkpoint_every": 1, "eval_every": 90, "log_every": 1},
    "metrics": ["top_k", "class_report", "calibration"],
    "eval": {"batch_size": 4},
}


@pytest.fixture(scope="module")
def tree(records):
    config = test_trainer.small(records, **copy.deepcopy(SETTINGS))
    return json.loads(configs.to_json(config))


@pytest.fixture(scope="module")
def two(tree, tmp_path_factory):
    """The folder of an undisturbed run of two workers, and what they ended with."""
    folder = tmp_path_factory.mktemp("two")
    return folder, cluster.run(tree, folder, 2)


@pytest.mark.addons
def test_two_workers_take_the_steps_of_one_and_measure_the_same(tree, two, tmp_path):
    folder, (first, second) = two
    for a, b in zip(first["weights"], second["weights"], strict=True):
        np.testing.assert_array_equal(a, b)
    assert first["results"] == second["results"]
    np.testing.assert_array_equal(first["rows"], second["rows"])

    alone = test_trainer.trainer(configs.config(**copy.deepcopy(tree)), tmp_path / "run")
    alone.fit()
    entries = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    losses = [entry["class"] for entry in entries if entry["kind"] == "train"]
    np.testing.assert_allclose(first["rows"][:, 0], losses, rtol=2e-4, atol=1e-5)
    assert losses[-1] < losses[0] / 2

    # The run of two, evaluated by one: counts bit for bit, and so is the mean of the losses.
    alone.workdir, alone.checkpoints.folder = str(folder / "run"), str(folder / "run/checkpoints")
    assert alone.restore("latest")
    assert alone.evaluate() == first["results"]
    assert first["results"]["images"] == 10


@pytest.mark.addons
def test_a_worker_that_is_stopped_or_killed_comes_back_and_nothing_is_lost(tree, two, tmp_path):
    def interrupted(number, victim, seen):
        workers = cluster.start(tree, tmp_path, 2)
        while not any((tmp_path / "run" / "checkpoints").glob(f"step-*{seen}")):
            assert workers[victim][0].poll() is None, workers[victim][0].communicate()
            time.sleep(0.02)
        workers[victim][0].send_signal(number)
        return cluster.ended(workers)

    # Asked to stop, both save the same step.
    ends = interrupted(signal.SIGTERM, 1, 5)
    assert [code for code, _ in ends] == [143, 143]
    told = [err.strip().splitlines()[-1] for _, (_, err) in ends]
    assert told[0] == told[1]
    assert "stopped by SIGTERM after step" in told[0]
    # Killed, it leaves the other one with an error that says to start again.
    (code, (_, err)), (killed, _) = interrupted(signal.SIGKILL, 1, 35)
    assert (code, killed) == (75, -signal.SIGKILL)
    assert "worker 0 of 2 cannot go on: another worker has ended" in err
    for ended, whole in zip(cluster.run(tree, tmp_path, 2), two[1], strict=True):
        for a, b in zip(ended["weights"], whole["weights"], strict=True):
            np.testing.assert_array_equal(a, b)


def workers(count):
    """Workers as threads of this process: the sum of theirs waits for all."""
    barrier, tables = threading.Barrier(count, timeout=30), {}

    def summed(number, table):
        tables[number] = np.array(table)
        barrier.wait()
        total = sum(tables.values())
        barrier.wait()
        return types.SimpleNamespace(numpy=lambda: total)

    made = []
    for number in range(count):
        worker = distributed.Workers.__new__(distributed.Workers)
        worker.number, worker.count, worker.chief = number, count, number == 0
        worker._together, worker._sum = True, lambda table, n=number: summed(n, table)
        made.append(worker)
    return made


def at_once(function, made):
    """What the function gives or raises in each worker."""
    found = [None] * len(made)

    def run(worker):
        try:
            found[worker.number] = function(worker)
        except Exception as error:
            found[worker.number] = error

    threads = [threading.Thread(target=run, args=(worker,)) for worker in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_workers_share_values_of_any_size_in_their_order():
    values = [None, "a", {"long": list(range(3000))}]
    found = at_once(lambda worker: worker.share(values[worker.number]), workers(3))
    assert found == [values] * 3
    assert len(pickle.dumps(values[2])) > 5000


def test_an_error_of_one_worker_ends_all_wherever_they_are():
    def work(worker):
        with worker.together():
            for step in range(3):
                if worker.number == 1 and step == 2:
                    raise errors.DataError("the disk is full")
                worker.share(step)
            return "done"

    found = at_once(work, workers(3))
    assert isinstance(found[1], errors.DataError)
    for other in (found[0], found[2]):
        assert isinstance(other, distributed.WorkerStopped)
        assert str(other) == "worker 1 of 3 has stopped: the disk is full"

    # Where all end for one reason, each tells its own.
    def stopped(worker):
        with worker.together():
            raise training.Interrupted("asked to stop")

    assert [type(e) for e in at_once(stopped, workers(2))] == [training.Interrupted] * 2


@pytest.mark.parametrize(
    ("environment", "section", "words"),
    [
        ({}, {"name": "twins"}, "unknown strategy 'twins'"),
        ({}, {"name": "multi_worker"}, "nothing says who the workers are: set TF_CONFIG"),
        ({"TF_CONFIG": "{"}, {"name": "auto"}, "TF_CONFIG is not a cluster: JSONDecodeError"),
        (
            {"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "ps"}}'},
            {"name": "auto"},
            "its task is {'type': 'ps'}, which is no chief or worker",
        ),
        (
            {"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]},'
                          ' "task": {"type": "worker", "index": 0}}'},
            {"name": "mirrored"},
            "one process, and the environment describes several workers",
        ),
        ({}, {"workers": 2}, "JOB_COMPLETION_INDEX is ''"),
        ({"JOB_COMPLETION_INDEX": "2"}, {"workers": 2}, "an index below 2 is expected"),
    ],
)  # fmt: skip
def test_a_wrong_strategy_or_environment_is_one_line(environment, section, words, monkeypatch):
    for name in ("TF_CONFIG", "JOB_COMPLETION_INDEX", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(errors.UsageError) as caught:
        training.strategies.make(configs.config(strategy=section))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_environment_tells_the_workers(monkeypatch):
    section = configs.config(strategy={"port": 7000, "workers": 3}).strategy
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    monkeypatch.setattr(socket, "getfqdn", lambda: "train-1.pods.default.svc")
    pods = training.strategies.cluster(section)
    assert pods.cluster_spec().as_dict() == {
        "worker": [f"train-{k}.pods.default.svc:7000" for k in range(3)]
    }
    assert (pods.task_type, pods.task_id) == ("worker", 1)
    slurm = {"STEP_NUM_TASKS": "2", "STEP_NODELIST": "n[1-2]", "STEP_TASKS_PER_NODE": "1(x2)"}
    for name, value in {**slurm, "PROCID": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    steps = training.strategies.cluster(section)
    assert steps.cluster_spec().as_dict() == {"worker": ["n1:7000", "n2:7000"]}
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {}}')
    assert training.strategies.cluster(section) is None  # one alone
