"""Imports go down only: the floors of the house, checked on the source."""

import ast
import collections
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
FLOORS = {
    "tfvision.schema": 0,
    "tfvision.stack": 0,
    "tfvision.serialization": 0,
    "tfvision.errors": 0,
    "tfvision.paths": 0,
    "tfvision.kinds": 0,
    "tfvision.lazy": 0,
    "tfvision.locks": 0,
    "tfvision.json_files": 0,
    "tfvision.atomic": 0,
    "tfvision.config": 0,
    "tfvision.config_file": 0,
    "tfvision.config_flag": 0,
    "tfvision.command_line": 0,
    "tfvision.overrides": 0,
    "tfvision.rules": 0,
    "tfvision.ops": 1,
    "tfvision.sources": 2,
    "tfvision.records": 2,
    "tfvision.synthetic": 2,
    "tfvision.inputs": 2,
    "tfvision.layers": 2,
    "tfvision.losses": 2,
    "tfvision.net": 2,
    "tfvision.metrics": 2,
    "tfvision.optimizers": 2,
    "tfvision.darknet": 3,
    "tfvision.architectures": 4,
    "tfvision.weights": 4,
    "tfvision.task": 5,
    "tfvision.tasks": 6,
    "tfvision.training": 6,
    "tfvision.serving": 6,
    "tfvision.models": 7,
    "tfvision.registry": 7,
    "tfvision.datasets": 7,
    "tfvision.tools": 8,
    "tfvision.experiments": 8,
    "tfvision.cli": 8,
}


def place(module):
    """The longest known place that a module lies in."""
    parts = module.split(".")
    return next((p for n in (3, 2) if (p := ".".join(parts[:n])) in FLOORS), None)


def modules():
    for folder, package in (("tfvision", ""), ("tools", "tfvision."), ("experiments", "tfvision.")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = package + ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_module_has_a_floor():
    unknown = [name for name, _ in modules() if name != "tfvision" and place(name) is None]
    assert not unknown


def test_every_module_has_a_name_of_its_own():
    paths = [path for _, path in modules() if path.stem != "__init__"]
    paths += [p for folder in ("benchmarks", "docs") for p in (ROOT / folder).glob("*.py")]
    names = collections.Counter(path.stem for path in paths)
    assert not [name for name, count in names.items() if count > 1]


def test_imports_go_down_only():
    wrong = []
    for name, path in modules():
        here = place(name)
        for target in imported(path):
            there = place(target)
            if here is None or there is None or here == there:
                continue
            down = FLOORS[there] < FLOORS[here]
            siblings_at_the_bottom = FLOORS[here] == FLOORS[there] == 0
            # The tools share helpers, and `train` lives with the experiments.
            if not (down or siblings_at_the_bottom):
                wrong.append(f"{name} imports {target}")
    assert not wrong


def test_sources_know_nothing_of_tensorflow():
    for name, path in modules():
        if place(name) in ("tfvision.sources", "tfvision.synthetic"):
            assert not any(t.split(".")[0] in ("tensorflow", "keras") for t in imported(path)), name
