"""What `keras.models.load_model` makes our objects from: a registered name and a configuration.

The name is "tfvision>Conv2D". The configuration is made from the constructor: each of its arguments
is an attribute of the same name, or an initializer of Keras.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

PACKAGE = "tfvision"
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

# A class decorator.
register = keras.saving.register_keras_serializable(package=PACKAGE)


def names(kind: type, base: type) -> list[str]:
    """The constructor's arguments of `kind` and of its bases below `base`, each once."""
    found: dict[str, None] = {}
    for part in kind.__mro__[: kind.__mro__.index(base)]:
        if "__init__" in vars(part):
            parameters = list(inspect.signature(part.__init__).parameters.values())[1:]
            found |= {p.name: None for p in parameters if p.kind in _NAMED}
    return list(found)


def arguments(instance: Any, base: type) -> dict[str, Any]:
    """{argument of its constructor: value}, as JSON has it; arguments as of `names`."""
    return {name: plain(getattr(instance, name)) for name in names(type(instance), base)}


def plain(value: Any) -> Any:
    """Numbers, strings, lists and dicts: tuples, arrays and Keras's own containers become these."""
    if isinstance(value, keras.initializers.Initializer):
        return keras.initializers.serialize(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
