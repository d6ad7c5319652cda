"""Malicious weight files: none runs code, and none takes more memory than its size stands for."""

import os
import pickle
import tracemalloc

import numpy as np
import pytest
from malicious_files import FILES, MIB, named, pickle_zip, plain, text

from tfvision import errors
from tfvision.weights import readers

pytestmark = pytest.mark.addons

ROOM = 160 * MIB  # the budget of a small file, twice, and what a file of 3 MiB may take


@pytest.mark.parametrize("write", FILES)
def test_memory_stays_in_proportion_to_the_file(tmp_path, write):
    path = tmp_path / "a.pth"
    write(path)
    assert os.path.getsize(path) < 7 * MIB
    tracemalloc.start()
    try:
        with pytest.raises(errors.DataError) as caught:
            readers.read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"{os.path.getsize(path):,} bytes, peak {peak / MIB:.0f} MiB: {caught.value}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert peak < ROOM


def _canary(module, name, *arguments):
    """Pickled bytes that leave a global and a tuple of arguments on the stack."""
    pushed = b"".join(text(argument) for argument in arguments)
    return named(module, name), b"(" + pushed + b"t"


CALLS = {
    "REDUCE": lambda f, a: f + a + b"R",
    "NEWOBJ": lambda f, a: f + a + b"\x81",
    "NEWOBJ_EX": lambda f, a: f + a + b"}\x92",
    "OBJ": lambda f, a: b"(" + f + a[1:-1] + b"o",
    "INST": lambda f, a: a[:-1] + b"i" + f[1:],
    "BUILD": lambda f, a: f + b")R" + b"}" + text("__setstate__") + f + b"sb" + a + b"b",
    "item of a placeholder": lambda f, a: f + b")R" + a + b"Ns",
    "reduced class": lambda f, a: named("copyreg", "_reconstructor") + f + a + b"\x86R",
    "getattr": lambda f, a: named("builtins", "getattr") + f + a + b"\x86R" + a + b"R",
    "map": lambda f, a: named("builtins", "map") + f + a + b"\x86R",
    "hook of a tensor": lambda f, a: named("torch._utils", "_rebuild_parameter") + f + a + b"\x86R",
    "class of a tensor": lambda f, a: (
        named("torch._tensor", "_rebuild_from_type_v2") + b"(" + f + b"N" + a + b"NtR"
    ),
    "dict's factory": lambda f, a: named("collections", "defaultdict") + f + b"\x85R" + a + b"Ns",
    "type of an array": lambda f, a: named("numpy", "dtype") + f + b"\x85R" + a + b"b",
    "array": lambda f, a: named("numpy._core.multiarray", "_reconstruct") + f + b"\x85R" + a + b"b",
    "persistent id": lambda f, a: f + a + b"RQ",
    "extension": lambda f, a: b"\x82\x01" + a + b"R",
}
TARGETS = {
    "os.system": ("os", "system", "touch {}"),
    "exec": ("builtins", "exec", "open({!r}, 'w')"),
    "protocol 0's eval": ("__builtin__", "eval", "open({!r}, 'w')"),
    "import": ("importlib", "import_module", "antigravity{}"),
    "ours": ("tfvision.weights.native", "save", "{}"),
    "attribute": ("os", "path.os.system", "touch {}"),
}


def test_a_file_may_unpack_to_what_the_net_takes(tmp_path):
    values = np.zeros(18 * MIB, np.float32)
    np.savez_compressed(tmp_path / "a.npz", **{"fc/kernel": values})
    with pytest.raises(errors.DataError, match="unpack to 75,497,600, where 67"):
        readers.read(tmp_path / "a.npz")
    assert readers.read(tmp_path / "a.npz", room=values.nbytes)["fc/kernel"].size == 18 * MIB


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("how", CALLS)
def test_no_way_of_calling_runs_code(tmp_path, how, target):
    module, name, command = TARGETS[target]
    canary = tmp_path / "canary"
    program = CALLS[how](*_canary(module, name, command.format(str(canary))))
    inside = b"}" + text("model") + program + b"s"
    for write, content in ((plain, program), (plain, inside), (pickle_zip, inside)):
        path = tmp_path / "a.pth"
        write(path, content)
        with pytest.raises(errors.DataError):
            readers.read(path)
    assert not canary.exists()


def test_the_canary_sings_in_pythons_own_unpickler(tmp_path):
    command = f"touch {tmp_path / 'canary'}"
    for how in ("REDUCE", "OBJ", "INST"):
        pickle.loads(b"\x80\x04" + CALLS[how](*_canary("os", "system", command)) + b".")
        assert (tmp_path / "canary").exists()
        (tmp_path / "canary").unlink()
