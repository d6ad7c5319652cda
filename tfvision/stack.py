"""All that differs between the two stacks: Keras 3 on a current TensorFlow, and Keras 2.15."""

from __future__ import annotations

import contextlib
import logging
import random
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import absl.logging
import keras
import tensorflow as tf

KERAS_3: bool = keras.__version__.startswith("3")
# For `add_weight`: a variable that mixed precision leaves in its own dtype.
NO_AUTOCAST: dict[str, bool] = {"autocast" if KERAS_3 else "experimental_autocast": False}


def variable_path(variable: Any) -> str:
    """ "layer/weight": Keras 3's `path`, Keras 2.15's `name` without ":0"."""
    return str(getattr(variable, "path", variable.name)).split(":")[0]


def raw(variable: Any) -> tf.Variable:
    """The tf.Variable behind a Keras variable."""
    return variable.value if KERAS_3 and not isinstance(variable, tf.Variable) else variable


def calls(model: keras.Model) -> list[tuple[Any, list, list]]:
    """(layer, input tensors, output tensors) of each call in a functional model, from the inputs
    on; a layer that is shared has several, and one without inputs makes an input."""
    nodes = [node for depth in sorted(model._nodes_by_depth, reverse=True)
             for node in model._nodes_by_depth[depth]]  # fmt: skip
    if KERAS_3:
        return [(n.operation, list(n.input_tensors), list(n.outputs)) for n in nodes]
    flat = tf.nest.flatten
    return [(n.layer, flat(n.keras_inputs), flat(n.outputs)) for n in nodes]


def variable_index(optimizer: Any, variable: Any) -> int:
    """The place of a variable (or of a replica's part of it) among those the optimizer updates."""
    if KERAS_3:
        return optimizer._get_variable_index(variable)
    return optimizer._index_dict[optimizer._var_key(variable)]


def addons() -> ModuleType | None:
    """The tensorflow_addons module, or None where it is not installed or cannot work."""
    if KERAS_3:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import tensorflow_addons
        except ImportError:
            return None
    return tensorflow_addons


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers made inside compute in `policy`, such as "mixed_bfloat16"."""
    module = keras.mixed_precision
    if KERAS_3:
        current, change = module.dtype_policy, module.set_dtype_policy
    else:
        current, change = module.global_policy, module.set_global_policy
    before = current()
    change(policy)
    try:
        yield
    finally:
        change(before)


def current_precision() -> str:
    """The name of Keras's policy, such as "mixed_bfloat16"."""
    module = keras.mixed_precision
    return (module.dtype_policy() if KERAS_3 else module.global_policy()).name


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Layers made inside draw the initial weights that they have after
    `keras.utils.set_random_seed(seed)`; all generators go on afterwards as if nothing had been.

    Initializers take their seeds from Python's generator; Keras 2.15's take them from one that
    `set_random_seed` made, where there is one."""
    before = random.getstate()
    random.seed(seed)
    holder = None if KERAS_3 else keras.src.backend._SEED_GENERATOR
    generator = getattr(holder, "generator", None)
    if generator is not None:
        holder.generator = random.Random(seed)
    try:
        yield
    finally:
        random.setstate(before)
        if generator is not None:
            holder.generator = generator


def cpu_bfloat16() -> set[str]:
    """Which instructions for bfloat16 this machine's processor has: "amx_bf16", "avx512_bf16".

    None off Linux."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return set()
    return {"amx_bf16", "avx512_bf16"} & set(flags.split())


@contextlib.contextmanager
def without_lines(words: str) -> Iterator[None]:
    """What TensorFlow logs inside, less the lines with these words, which no user can act on."""

    def keep(record: logging.LogRecord) -> bool:
        return words not in record.getMessage()

    logger = absl.logging.get_absl_logger()
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
