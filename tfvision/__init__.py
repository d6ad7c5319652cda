"""tfvision: train, measure, export and serve vision models in TensorFlow."""

import importlib

__version__ = "0.1.0"

_PARTS = (
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
    "schema",
    "serving",
    "sources",
    "tasks",
    "training",
    "weights",
)


def __getattr__(name: str):
    """Imports a part of the library when it is first asked for, so `import tfvision` is quick."""
    if name in _PARTS:
        return importlib.import_module(f"tfvision.{name}")
    raise AttributeError(f"module 'tfvision' has no attribute '{name}'")


def __dir__() -> list[str]:
    """The parts, too, which are imported when they are asked for."""
    return sorted({*globals(), *_PARTS})
