"""TensorFlow's distribution strategies by name, from the config and the environment."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping

import tensorflow as tf

from tfvision import errors
from tfvision.training import distributed

Resolver = tf.distribute.cluster_resolver.ClusterResolver


def make(config) -> tf.distribute.Strategy:
    """The strategy of config.strategy; before TensorFlow's first operation.

    auto: several workers where the environment describes them (see `cluster`), else a replica on
    each GPU of this machine, else one device. Raises UsageError for an unknown name, and for one
    that the environment does not allow."""
    section = config.strategy
    return errors.choose(STRATEGIES, section.name, "strategy")(section)


def _auto(section) -> tf.distribute.Strategy:
    if cluster(section) is not None:
        return _multi_worker(section)
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _one(section) -> tf.distribute.Strategy:
    del section
    return tf.distribute.get_strategy()


def _mirrored(section) -> tf.distribute.Strategy:
    if cluster(section) is not None:
        raise errors.UsageError(
            "config.strategy.name is 'mirrored', one process, and the environment describes several"
            " workers; use multi_worker, or unset TF_CONFIG"
        )
    return tf.distribute.MirroredStrategy()


def _multi_worker(section) -> tf.distribute.Strategy:
    resolver = cluster(section)
    if resolver is None:
        raise errors.UsageError(
            "config.strategy.name is 'multi_worker', and nothing says who the workers are: set"
            " TF_CONFIG, start with srun, or run as an indexed job of Kubernetes with"
            " config.strategy.workers"
        )
    tasks = resolver.cluster_spec().as_dict()
    print(
        f"worker {resolver.task_id} ({resolver.task_type}) waits for all of"
        f" {', '.join(address for kind in tasks for address in tasks[kind])}",
        flush=True,
    )
    what = "the workers of config.strategy cannot be joined"
    with errors.reported(what), distributed.lost_told(what):
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def _tpu(section) -> tf.distribute.Strategy:
    with errors.reported("config.strategy.name is 'tpu', and no TPU can be used"):
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=section.tpu or "local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)


STRATEGIES = {
    "auto": _auto,
    "one": _one,
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "tpu": _tpu,
}


def cluster(section) -> Resolver | None:
    """The workers that the environment describes; None where it describes none or one alone.

    In this order: TF_CONFIG; a step of SLURM (srun); an indexed job of Kubernetes, whose pods are
    told apart by the number in their names, with config.strategy.workers. section:
    config.strategy."""
    if "TF_CONFIG" in os.environ:
        return _of_tf_config()
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        with errors.reported("SLURM's variables describe no cluster"):
            return tf.distribute.cluster_resolver.SlurmClusterResolver(port_base=section.port)
    if section.workers > 1:
        return _of_indexed_job(os.environ, section)
    return None


def _of_tf_config() -> Resolver | None:
    what = "TF_CONFIG is not a cluster"
    with errors.reported(what):
        told = json.loads(os.environ["TF_CONFIG"])
        tasks = {kind: list(places) for kind, places in told.get("cluster", {}).items()}
        task = told.get("task", {})
    if sum(len(tasks.get(kind, ())) for kind in ("chief", "worker")) < 2:
        return None
    kind, index = task.get("type"), task.get("index")
    if kind not in ("chief", "worker") or index not in range(len(tasks.get(kind, ()))):
        raise errors.UsageError(
            f"{what}: its task is {task!r}, which is no chief or worker of the cluster {tasks!r}"
        )
    return tf.distribute.cluster_resolver.TFConfigClusterResolver()


def _of_indexed_job(environment: Mapping[str, str], section) -> Resolver:
    """Pods of an indexed job are NAME-INDEX, and find each other by a headless service."""
    index = environment.get("JOB_COMPLETION_INDEX", "")
    host, dot, domain = socket.getfqdn().partition(".")
    name, dash, number = host.rpartition("-")
    if not index.isdigit() or not dash or number != index or int(index) >= section.workers:
        raise errors.UsageError(
            f"config.strategy.workers is {section.workers}; that needs TF_CONFIG, srun, or a pod of"
            f" an indexed job: JOB_COMPLETION_INDEX is '{index}' and this host is '{host}', where"
            f" NAME-INDEX with an index below {section.workers} is expected"
        )
    places = [f"{name}-{k}{dot}{domain}:{section.port}" for k in range(section.workers)]
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": places}), task_type="worker", task_id=int(index)
    )
