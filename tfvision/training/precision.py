"""The precision of a run by name, and the Keras policy that gives it."""

from __future__ import annotations

from tfvision import errors, stack

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def resolve(name: str) -> str:
    """ "auto" -> bfloat16 where the processor multiplies it fast, float32 elsewhere."""
    if name == "auto":
        return "bfloat16" if stack.cpu_has_bfloat16() else "float32"
    errors.choose(POLICIES, name, "precision")
    return name


def policy(name: str) -> str:
    """The Keras policy of a `train.precision`."""
    return POLICIES[resolve(name)]
