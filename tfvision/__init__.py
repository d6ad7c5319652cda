"""tfvision: train, measure, export and serve vision models in TensorFlow."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfvision import (
        architectures,
        config,
        datasets,
        errors,
        inputs,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        records,
        registry,
        schema,
        serving,
        sources,
        tasks,
        training,
        weights,
    )

__version__ = "0.1.0"
__all__ = [
    "architectures",
    "config",
    "datasets",
    "errors",
    "inputs",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "records",
    "registry",
    "schema",
    "serving",
    "sources",
    "tasks",
    "training",
    "weights",
]


def __getattr__(name: str):
    """Imports a part of the library when it is first asked for, so `import tfvision` is quick."""
    if name in __all__:
        return importlib.import_module(f"tfvision.{name}")
    raise AttributeError(f"module 'tfvision' has no attribute '{name}'")


def __dir__() -> list[str]:
    return ["__version__", *__all__]
