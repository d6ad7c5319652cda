"""The precision of a run by name, and the Keras policy that gives it."""

from __future__ import annotations

from tfvision import errors, stack

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def resolve(name: str) -> str:
    """ "auto", of a config that nobody has settled (`auto_precision`): bfloat16 where the processor
    is sure to multiply it fast (AMX), float32 elsewhere."""
    if name == "auto":
        return "bfloat16" if "amx_bf16" in stack.cpu_bfloat16() else "float32"
    errors.choose(POLICIES, name, "precision")
    return name


def policy(name: str) -> str:
    """The Keras policy of a `train.precision`."""
    return POLICIES[resolve(name)]
