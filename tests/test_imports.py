import importlib
import pathlib
import pkgutil
import re

import pytest

import tfvision


@pytest.mark.addons
def test_every_module_imports():
    """But the commands, whose flags share names: the tests of --help import each on its own."""
    names = [m.name for m in pkgutil.walk_packages(tfvision.__path__, "tfvision.")]
    names = [n for n in names if not n.startswith("tfvision.tools")]
    assert len(names) > 40
    for name in names:
        importlib.import_module(name)


def test_every_package_is_shipped():
    root = pathlib.Path(__file__).parents[1]
    shipped = set(re.findall(r'"(tfvision[\w.]*)"', (root / "pyproject.toml").read_text()))
    for place in (root / "tfvision").rglob("__init__.py"):
        assert ".".join(place.parent.relative_to(root).parts) in shipped


def test_parts_are_reached_from_the_top_without_importing_them_all():
    assert "resnet152" in tfvision.architectures.names()
    with pytest.raises(AttributeError, match="no attribute 'modls'"):
        tfvision.modls  # noqa: B018
