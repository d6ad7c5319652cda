"""The verbs of the command line in this process, which has TensorFlow running.

verbs.run("predict", "--model=m", "--output=out", "photos")
"""

import sys

import pytest
from absl import flags

from tfvision import cli


def run(*arguments):
    """Runs `tfvision arguments` as the command does; its exit code has to be 0."""
    _forget()
    before = sys.argv
    try:
        with pytest.raises(SystemExit) as end:
            cli._run(["tfvision", *map(str, arguments)])
        assert not end.value.code
    finally:
        sys.argv = before
        _forget()


def _forget():
    """Undefines the flags of the verbs, so that the next one can be run in this process."""
    modules = flags.FLAGS.flags_by_module_dict()
    own = [f.name for name in modules if name.startswith("tfvision.") for f in modules[name]]
    for name in {*own, *(f for f in flags.FLAGS if f.split(".")[0] == "config")}:
        delattr(flags.FLAGS, name)
    for verb, _ in cli.VERBS.values():
        sys.modules.pop(verb, None)
