"""What a run sets for its whole process: seeds, deterministic ops, threads.

A Trainer's constructor changes nothing of this: the commands call `prepare` before the first op,
`Trainer.fit` calls it again.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvision import errors


def prepare(config) -> None:
    """Seeds all generators with config.seed; threads and deterministic ops, as config.train says.

    Raises UsageError where TensorFlow runs with another number of threads already."""
    keras.utils.set_random_seed(config.seed)
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
