"""Checkpoints as training scripts save them: what is no tensor, which state dict, which prefix."""

import argparse
import collections
import pathlib
import pickle

import numpy as np
import pytest
from torch_files import Call, ModuleClass, Named, tensor, write_legacy, write_zip

from tfvision import architectures, errors, weights
from tfvision.weights import native, prefixes, readers

pytestmark = pytest.mark.addons

EIGHT = np.arange(8, dtype=np.float32)
MODEL = {"fc.weight": tensor((2,), (1,), count=8), "fc.bias": tensor((1,), (1,), count=8)}
EMA = {"fc.weight": tensor((2,), (1,), offset=4, count=8), "fc.bias": MODEL["fc.bias"]}
NUMBER = tensor((), (), count=8)


class Loss:
    """Pickles by NEWOBJ and BUILD, as objects of scripts do."""

    def __init__(self):
        self.reduction, self.weight = "mean", [0.5]


class Counter(dict):
    """Pickles with items of its own."""


class Meter(list):
    """Pickles with elements of its own."""


def _write(path, content, write=write_zip):
    storage = EIGHT if write is write_legacy else EIGHT.tobytes()
    return write(path, content, {"0": storage})


def _prefixed(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_what_is_no_tensor_is_passed_over(tmp_path, write):
    content = {
        "args": argparse.Namespace(lr=0.1, device=Call(Named("torch", "device"), "cuda:0")),
        "best": np.float64(0.9),
        "scores": np.arange(3),
        "path": pathlib.PurePosixPath("runs/1"),
        "loss": Loss(),
        "seen": Counter(a=1),
        "meter": Meter([1, 2]),
        "sets": {1, 2},
        "frozen": frozenset([3]),
        "history": collections.defaultdict(list, epoch=[1, 2]),
        "size": Call(Named("torch", "Size"), [2, 3]),
        "type": Named("torch", "float8_e4m3fn"),
        "optimizer": {"state": {0: {"exp_avg": NUMBER}}, "param_groups": [{"lr": np.float32(1)}]},
        "scheduler": Call(Named("torch.optim.lr_scheduler", "StepLR"), 10),
        "network": Call(ModuleClass("Net"), 10),
        ("a", ("b",)): 1,
        "epoch": 3,
        "model": collections.OrderedDict(MODEL),
    }
    found = readers.inspect(_write(tmp_path / "a.pth.tar", content, write))
    np.testing.assert_array_equal(found.arrays["fc.weight"], [0, 1])
    assert list(found.arrays) == list(MODEL)
    assert found.notes == ("read 'model'",)


def test_a_network_that_was_pickled_whole_gives_its_parameters(tmp_path):
    def module(parameters=(), buffers=(), **modules):
        made = argparse.Namespace(training=True, _parameters=dict(parameters))
        made._buffers, made._modules = dict(buffers), modules
        return made

    weight, mean = MODEL["fc.weight"], EMA["fc.weight"]
    block = module(conv=module({"weight": weight, "bias": None}))
    bn = module({"weight": weight}, {"running_mean": mean})
    network = module(layer1=block, bn=bn)
    found = readers.read(_write(tmp_path / "a.pt", {"model": network, "epoch": 1}))
    assert list(found) == ["layer1.conv.weight", "bn.weight", "bn.running_mean"]
    np.testing.assert_array_equal(found["bn.running_mean"], [4, 5])
    assert list(readers.read(_write(tmp_path / "b.pt", network))) == list(found)


def test_a_plain_pickle_of_numpy_arrays_is_read(tmp_path):
    arrays = {
        "conv.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "conv.bias": np.arange(2, dtype=">f8"),
        "bn.weight": np.float16([1.5]),
    }
    for protocol in (2, 4):
        path = tmp_path / "R-50.pkl"
        path.write_bytes(pickle.dumps({"model": arrays, "__author__": "x"}, protocol))
        found = readers.read(path)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
        assert found["bn.weight"].dtype == np.float32
        assert found["conv.bias"].dtype == np.float64


AVERAGES = {
    "model_ema": {"model": MODEL, "model_ema": EMA},
    "ema.module": {"state_dict": MODEL, "ema": {"module": EMA, "decay": 0.999}},
    "ema.shadow": {"net": MODEL, "ema": {"shadow": EMA, "updates": 7}},
    "ema_state_dict": {"model_state_dict": MODEL, "ema_state_dict": EMA},
}


@pytest.mark.parametrize("place", AVERAGES)
def test_the_average_is_taken_and_told_and_the_parameters_can_be_chosen(tmp_path, place):
    path = _write(tmp_path / "a.pth", AVERAGES[place])
    for which in ("", "average", place):
        found = readers.inspect(path, which)
        np.testing.assert_array_equal(found.arrays["fc.weight"], [4, 5])
        if not which:
            assert f"took the average '{place}', not '" in found.notes[0]
    for which in ("model", next(iter(AVERAGES[place]))):
        np.testing.assert_array_equal(readers.read(path, which)["fc.weight"], [0, 1])


@pytest.mark.parametrize("before", ["ema.module.", "model_ema.", "ema_model.module."])
def test_an_average_beside_the_parameters_in_one_state_dict_is_found(tmp_path, before):
    names = ("conv.weight", "bn.bias")
    state = {f"model.{name}": MODEL["fc.weight"] for name in names}
    state |= {f"{before}{name}": EMA["fc.weight"] for name in names}
    path = _write(tmp_path / "a.ckpt", {"state_dict": state, "epoch": 1})
    found = readers.inspect(path)
    assert list(found.arrays) == list(names)
    np.testing.assert_array_equal(found.arrays["bn.bias"], [4, 5])
    assert found.notes[0].startswith(f"took the average '{before.partition('.')[0]}', not 'model'")
    np.testing.assert_array_equal(readers.read(path, "model")["bn.bias"], [0, 1])


def test_a_choice_that_the_file_does_not_have_is_refused(tmp_path):
    path = _write(tmp_path / "a.pth", {"model": MODEL, "epoch": 1})
    for which in ("average", "ema.module", "epoch"):
        with pytest.raises(errors.UsageError, match=r"a\.pth.*model \('model'\).*model, epoch"):
            readers.read(path, which)
    np.savez(tmp_path / "b.npz", **{"fc/kernel": EIGHT})
    with pytest.raises(errors.UsageError, match="has one set of weights"):
        readers.read(tmp_path / "b.npz", "average")


def test_a_state_dict_under_any_one_key_is_found(tmp_path):
    path = _write(tmp_path / "a.pth", {"generator": MODEL, "epoch": 1})
    assert list(readers.read(path)) == list(MODEL)
    path = _write(tmp_path / "b.pth", {"generator": MODEL, "critic": EMA})
    with pytest.raises(errors.DataError, match="'generator', 'critic'; choose with which=KEY"):
        readers.read(path)
    np.testing.assert_array_equal(readers.read(path, "critic")["fc.weight"], [4, 5])


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model.", "model.net._orig_mod.", "0."]
)
@pytest.mark.parametrize("stray", [{}, {"n_averaged": NUMBER}])
def test_prefixes_are_taken_off_repeatedly_and_named(tmp_path, prefix, stray):
    path = _write(tmp_path / "a.pth", {**stray, **_prefixed(MODEL, prefix)})
    found = readers.inspect(path)
    assert list(found.arrays) == list(MODEL)
    assert found.notes[0] == f"took '{prefix}' off all names"
    assert ("n_averaged" in " ".join(found.notes)) == bool(stray)


def test_what_modules_keep_beside_their_tensors_is_left_out(tmp_path):
    state = {"n_averaged": 7, **MODEL, "head.loss._extra_state": Loss(), "a._extra_state": None}
    found = readers.inspect(_write(tmp_path / "a.pth", state))
    assert list(found.arrays) == list(MODEL)
    names = "n_averaged, head.loss._extra_state, a._extra_state"
    assert found.notes == (f"left out {names}, which are not tensors",)
    path = _write(tmp_path / "b.pth", {**MODEL, "criterion": Loss()})
    with pytest.raises(
        errors.DataError, match=r"'criterion' is a '.*Loss', not a tensor, and code"
    ):
        readers.read(path)
    path = _write(tmp_path / "c.pth", {**MODEL, "x" * 2000: NUMBER})
    with pytest.raises(errors.DataError, match="a name of 2,000 characters"):
        readers.read(path)


@pytest.mark.parametrize(
    "names",
    [
        ["fc.weight", "fc.bias"],
        ["features.0.weight", "features.1.weight"],
        ["layer1.0.conv1.weight", "layer1.0.bn1.weight"],
        ["model.0.weight", "head.0.weight"],
        ["module.conv/kernel", "module.bn/gamma"],
    ],
)
def test_what_belongs_to_the_network_stays(names):
    arrays = dict.fromkeys(names, EIGHT)
    assert prefixes.strip(arrays) == (arrays, "", [])


def test_a_prefix_that_the_net_does_not_have_is_taken_off_by_load():
    net = architectures.build("resnet18", num_classes=2, image_size=(32, 32), width=4)
    names = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
    names |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    state = {}
    for name, value in native.collect(net).items():
        layer, leaf = name.split("/")
        turned = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        state[f"encoder.backbone.{layer}.{names[leaf]}"] = turned + 1
    before, said = native.collect(net), []
    weights.load(net, state, say=said.append)
    assert said == ["took 'encoder.backbone.' off all names"]
    np.testing.assert_array_equal(native.collect(net)["fc/bias"], before["fc/bias"] + 1)


def test_what_was_read_stands_in_the_message_of_a_misfit(tmp_path):
    net = architectures.build("resnet18", num_classes=2, image_size=(32, 32), width=4)
    content = {"model": MODEL, "model_ema": _prefixed(EMA, "module.")}
    path, said = _write(tmp_path / "a.pth", content), []
    with pytest.raises(errors.DataError, match=r"took the average 'model_ema'.*took 'module\.'"):
        weights.load(net, path, say=said.append)
    assert said[1] == f"{path}: took 'module.' off all names"
