"""What warm.py's first process imports, once; none of it runs an op."""

import importlib
import pkgutil

import tfvision

# The commands define flags as they are imported, which each process does for itself.
LATE = ("tfvision.tools.", "tfvision.experiments.")
for module in pkgutil.walk_packages(tfvision.__path__, "tfvision."):
    if not module.name.startswith(LATE) and module.name != "tfvision.cli":
        importlib.import_module(module.name)
