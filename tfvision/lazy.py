"""Parts of a package that are imported when they are first asked for."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable


def parts(package: str, path: Iterable[str]) -> tuple[Callable, Callable, list[str]]:
    """`__getattr__`, `__dir__` and `__all__` for the `__init__.py` of a package of modules.

    package, path: its `__name__` and `__path__`. After `import package` alone `package.module` is
    there, as completion in an editor or a notebook has it."""
    names = sorted(module.name for module in pkgutil.iter_modules(path))

    def get(name: str):
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return get, lambda: names, names
