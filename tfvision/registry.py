"""Parts of one's own under a name that a config can choose.

The tables that names are looked up in stay the only place: `register` puts a row into them, for
this process. Where a config that names it comes from a file, as a run's does, nothing is imported
on the file's word: `TFVISION_PLUGINS=MODULE,...` has the commands import what registers it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from tfvision import architectures, errors, losses, metrics, optimizers, sources
from tfvision.inputs import augment
from tfvision.layers import activations

PLUGINS = "TFVISION_PLUGINS"
_ALL = architectures.MODELS
# What a function of each kind is called with: docs/own_parts.md.
TABLES: dict[str, tuple[dict[str, Any], ...]] = {
    "classifier": (architectures.CLASSIFIERS, _ALL),
    "segmenter": (architectures.SEGMENTERS, _ALL),
    "classification_loss": (losses.CLASSIFICATION, losses.LOSSES),
    "pixel_loss": (losses.PIXELS,),
    "segmentation_loss": (losses.SEGMENTATION, losses.LOSSES),
    **{f"{kind}_metric": (table,) for kind, table in metrics.METRICS.items()},
    "augmentation": (augment.VALUES, augment.AUGMENTATIONS),
    "activation": (activations.ACTIVATIONS,),
    "optimizer": (optimizers.OPTIMIZERS,),
    "schedule": (optimizers.schedules.SCHEDULES,),
    "format": (sources.FORMATS,),
}
_OWN: dict[tuple[str, str], Any] = {}


def register(kind: str, name: str, part: Callable | None = None) -> Callable:
    """Makes `name` a value that configs can have, for a function or class of one's own.

    Args:
        kind: A key of TABLES, such as "classification_loss".
        name: Not one of tfvision's. An own one is replaced: a notebook's cell may run again.
        part: What is called; without it `register` is a decorator.

    Returns:
        The part.

    Raises:
        UsageError: for an unknown kind, and a name that tfvision has.
    """
    tables = errors.choose(TABLES, kind, "kind of part")
    if not name.isidentifier():
        raise errors.UsageError(f"the name of a {kind} is {name!r}; it must be an identifier")
    if name in tables[-1] and (kind, name) not in _OWN:
        raise errors.UsageError(f"tfvision has a {kind} '{name}'; choose another name")

    def put(part: Callable) -> Callable:
        _OWN[kind, name] = part
        for table in tables:
            table[name] = part
        return part

    return put if part is None else put(part)


def plugins() -> None:
    """Imports the modules that TFVISION_PLUGINS names, from the present folder too.

    Raises UsageError for one that cannot be imported."""
    names = [name for name in os.environ.get(PLUGINS, "").split(",") if name]
    if names and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for name in names:
        with errors.reported(f"{PLUGINS}: the module '{name}' cannot be imported"):
            importlib.import_module(name)
