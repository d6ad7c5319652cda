"""What a run settles for its whole process, and how initial weights are drawn without that.

A Trainer's constructor changes nothing of this: the commands call `prepare` before the first op,
`Trainer.fit` calls it again.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from tfvision import errors


def prepare(config) -> None:
    """Threads and deterministic ops, as config.train says.

    Raises UsageError where TensorFlow runs with another number of threads already."""
    if config.train.deterministic and not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
    threads = config.train.intra_op_threads
    if threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise errors.UsageError(
                f"config.train.intra_op_threads is {threads}, but this process has used"
                " TensorFlow with another number already; call tfvision.training.prepare(config)"
                " in a new process, before the first op runs"
            ) from error


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, Keras draws initial weights from `seed`; Python's and NumPy's own generators (the
    old one, which Keras seeds) go on afterwards as if nothing had been."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
