"""The processes that train one run together: who is the chief, and what they tell each other.

All workers go through the same calls of `share` in the same order, and decide on what they got
there alone: when to stop, what is the best, what was measured. Only the chief writes.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfvision import errors

# How TensorFlow tells that a collective operation has lost a worker.
_ABORTED = ("Collective ops is aborted", "coordination service", "CoordinationService")
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError)


class WorkerLost(errors.TfvisionError):
    """Another worker has ended, and the collective operations with it; start all again."""

    exit_code = 75  # of sysexits.h: a temporary failure, try again


class WorkerStopped(errors.TfvisionError):
    """Another worker has stopped on an error, and this one with it."""


class Workers:
    """The workers of a strategy; of a strategy of one process there is one.

    number: of this worker, from 0. count: of all. chief: is it the one that writes?"""

    def __init__(self, strategy: tf.distribute.Strategy):
        self.number, self.count = _place(strategy)
        self.chief = self.number == 0
        self._together = True  # False: the others may be in a step, and nothing can be told
        if self.count > 1:
            table = tf.TensorSpec([self.count, None], tf.int64)
            self._sum = tf.function(_summed(strategy), [table], autograph=False)

    def share(self, value: Any) -> list[Any]:
        """The values that all workers share at this point, in their order.

        value: what pickle takes. Raises WorkerStopped where another one shares its error instead,
        and WorkerLost where one has ended."""
        if self.count == 1:
            return [value]
        return self._exchange(value, "")

    def _exchange(self, value: Any, error: str) -> list[Any]:
        data = np.frombuffer(pickle.dumps((value, error)), np.uint8)
        with self.lost_told():
            sizes = self._all(np.array([len(data)], np.int64))[:, 0]
            padded = np.zeros(-(-sizes.max() // 8) * 8, np.uint8)
            padded[: len(data)] = data
            rows = self._all(padded.view(np.int64)).view(np.uint8)
        told = [pickle.loads(row[:n].tobytes()) for row, n in zip(rows, sizes, strict=True)]
        for number, (_, other) in enumerate(told):
            if other and not error:
                raise WorkerStopped(f"worker {number} of {self.count} has stopped: {other}")
        return [content for content, _ in told]

    def _all(self, row: np.ndarray) -> np.ndarray:
        """Each worker's int64 [N] as the rows of [workers, N]."""
        table = np.zeros((self.count, len(row)), np.int64)
        table[self.number] = row
        return self._sum(tf.constant(table)).numpy()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """An error inside is told to the others, whatever they share next; at the end all meet."""
        try:
            yield
            self.share(None)
        except (WorkerLost, WorkerStopped):
            raise
        except Exception as error:
            if self.count > 1 and self._together:
                with contextlib.suppress(errors.TfvisionError):
                    self._exchange(None, errors.one_line(error))
            raise

    @contextlib.contextmanager
    def in_step(self) -> Iterator[None]:
        """The workers are in a training step: who fails there cannot tell, and ends."""
        self._together = False
        yield
        self._together = True

    def lost_told(self) -> contextlib.AbstractContextManager[None]:
        """`lost_told`, where there are several workers."""
        several = f"worker {self.number} of {self.count} cannot go on"
        return lost_told(several) if self.count > 1 else contextlib.nullcontext()


@contextlib.contextmanager
def lost_told(what: str) -> Iterator[None]:
    """Raises WorkerLost for TensorFlow's error on a collective operation that lost a worker.

    what: begins the message."""
    try:
        yield
    except tf.errors.OpError as error:
        if not (isinstance(error, _LOST) or any(words in str(error) for words in _ABORTED)):
            raise
        raise WorkerLost(
            f"{what}: another worker has ended or cannot be reached (its own output says why); what"
            " is saved is kept, and the same command, started again for all workers, goes on from"
            " there"
        ) from error


def _place(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """(number, count) of this process among those that train; the chief's number is 0.

    Raises UsageError for a strategy whose workers we do not know to lead."""
    resolver = strategy.cluster_resolver
    cluster = resolver.cluster_spec().as_dict() if resolver else {}
    tasks = [(kind, i) for kind in ("chief", "worker") for i in range(len(cluster.get(kind, ())))]
    if len(tasks) < 2 or isinstance(strategy, tf.distribute.TPUStrategy):  # one process leads
        return 0, 1
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise errors.UsageError(
            f"{type(strategy).__name__} has {len(tasks)} workers; several workers train under"
            " tf.distribute.MultiWorkerMirroredStrategy (--strategy=multi_worker), and one process"
            " under MirroredStrategy without TF_CONFIG"
        )
    return tasks.index((resolver.task_type, resolver.task_id)), len(tasks)


def _summed(strategy: tf.distribute.Strategy) -> Callable:
    """A function: int64 tensor -> its sum over the workers."""
    local = len(strategy.extended.worker_devices)

    def of_replica(value):
        replicas = tf.distribute.get_replica_context()
        total = replicas.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))
        return total // local  # each replica of a worker has added the same

    def of_worker(value):
        return strategy.experimental_local_results(strategy.run(of_replica, args=(value,)))[0]

    return of_worker
