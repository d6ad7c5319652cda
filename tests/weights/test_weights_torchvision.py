"""State dicts into nets, held to torchvision's own numbers; and our format there and back."""

import pathlib

import keras
import numpy as np
import oracle_files
import oracle_stages
import pytest
import warm
from oracle_files import fill

from tfvision import architectures, errors, stack, weights
from tfvision.weights import native

pytestmark = pytest.mark.addons

ORACLES = pathlib.Path(__file__).parents[1] / "oracles"
LAST_UNITS = {"resnet50": (3, 4, 6, 3), "resnet152": (3, 8, 36, 3)}
LARGE = ("resnet152", "vgg16", "inception_v3")  # large, or slow to fill
TINY = {"num_classes": 4, "image_size": (32, 32), "width": 4}


def _oracle(case):
    meta, golden = oracle_files.read(case)
    state = oracle_files.state(meta)
    return meta, golden, state


def _tiny(name="resnet18"):
    return architectures.build(name, **TINY)


def _tiny_state(net, prefix=""):
    """A state dict as torch would write one for `net`: element i of all is i / 1000."""
    names = {
        "kernel": "weight",
        "gamma": "weight",
        "beta": "bias",
        "bias": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    state, done = {}, 0
    for name, value in native.collect(net).items():
        layer, leaf = name.split("/")
        shape = value.shape
        if value.ndim == 4:
            shape = tuple(value.shape[i] for i in (3, 2, 0, 1))
        elif value.ndim == 2:
            shape = value.shape[::-1]
        numbers = np.arange(done, done + value.size, dtype=np.float32) / 1000
        state[f"{prefix}{layer}.{names[leaf]}"] = numbers.reshape(shape)
        if leaf == "moving_variance":
            state[f"{prefix}{layer}.num_batches_tracked"] = np.array(7, np.int64)
        done += value.size
    return state


def _nodes(case, meta):
    """The oracle's nodes -> our layers."""
    if case in LAST_UNITS:
        ends = {f"C{i + 2}": f"layer{i + 1}.{n - 1}.out" for i, n in enumerate(LAST_UNITS[case])}
        return {"C1": "maxpool", **ends}
    convolutions = {n: f"{n}.relu" for n in meta["nodes"] if n.startswith("Conv2d")}
    return {**meta["nodes"], **convolutions}


@pytest.mark.parametrize(
    "case", ["resnet50", *(pytest.param(c, marks=pytest.mark.slow) for c in LARGE)]
)
def test_the_logits_and_stages_are_those_of_torchvision(case):
    meta, golden, state = _oracle(case)
    for name, checksum in meta["fill_check"].items():
        assert fill.checksum(state[name]) == checksum
    net = architectures.build(case, num_classes=1000, image_size=meta["input_hw"])
    # state_dict_elements also counts the counters of batches, which are dropped
    expected = meta["state_dict_elements"] - meta["num_batches_tracked_entries"]
    assert weights.load(net, state) == expected
    trainable = sum(int(np.prod(v.shape)) for v in net.train.trainable_variables)
    assert trainable == meta["trainable"]
    del state

    pictures = np.stack([fill.image(seed, *meta["input_hw"]) for seed in meta["image_seeds"]])
    pictures *= np.float32(255)
    layers = _nodes(case, meta)
    outputs = {node: net.train.get_layer(name).output for node, name in layers.items()}
    outputs["logits"] = net.serve.output["class_logits"]
    if "aux_logits" in golden:
        outputs["aux_logits"] = net.train.output["aux_logits"]
    got = keras.Model(net.train.input, outputs)({"image": pictures}, training=False)
    got = {name: np.asarray(value, np.float64) for name, value in got.items()}

    oracle_stages.assert_same(got, golden, layers)
    for name in {"logits", "aux_logits"} & set(outputs):
        difference = np.abs(got[name] - golden[name]).max() / golden[name].std()
        print(f"{case}: {name} differ by {difference:.1e} of their standard deviation")
        assert difference <= 1e-4, name


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("mobilenet_v2", 3_504_872),
        pytest.param("resnet101", 44_549_160, marks=pytest.mark.slow),
        pytest.param("vgg19", 143_667_240, marks=pytest.mark.slow),
        pytest.param("vgg16_bn", 138_365_992, marks=pytest.mark.slow),
    ],
)
def test_as_many_values_are_trainable_as_in_the_published_network(name, count):
    net = architectures.build(name, num_classes=1000, image_size=(224, 224))
    assert sum(int(np.prod(v.shape)) for v in net.train.trainable_variables) == count


def test_variables_go_by_layer_and_variable_on_both_stacks():
    net = _tiny()
    names = list(native.named(net))
    assert names[:2] == ["conv1/kernel", "bn1/gamma"]
    assert "layer2.0.downsample.0/kernel" in names
    assert names[-2:] == ["fc/kernel", "fc/bias"]
    assert stack.variable_path(net.variables()[0]) == "conv1/kernel"


def test_axes_are_turned_and_counters_dropped():
    net = _tiny()
    state = _tiny_state(net)
    count = weights.load(net, state, source="torchvision")
    values = native.collect(net)
    assert count == sum(value.size for value in values.values())
    # conv1 is [4, 3, 7, 7] in torch: element (out 1, in 2, row 3, column 4)
    expected = 1 * 147 + 2 * 49 + 3 * 7 + 4
    assert values["conv1/kernel"][3, 4, 2, 1] == np.float32(expected / 1000)
    np.testing.assert_array_equal(values["fc/kernel"], state["fc.weight"].T)
    np.testing.assert_array_equal(values["bn1/gamma"], state["bn1.weight"])
    np.testing.assert_array_equal(values["bn1/beta"], state["bn1.bias"])
    np.testing.assert_array_equal(values["bn1/moving_mean"], state["bn1.running_mean"])
    np.testing.assert_array_equal(values["bn1/moving_variance"], state["bn1.running_var"])


def test_every_disagreement_is_told_at_once_and_nothing_is_changed():
    net = _tiny()
    state = _tiny_state(net)
    before = native.collect(net)
    del state["layer1.0.conv1.weight"]
    state["fc.weight"] = np.zeros((5, 32), np.float32)
    state.update({f"extra.{i}.weight": np.zeros(1) for i in range(12)})
    with pytest.raises(errors.DataError) as caught:
        weights.load(net, state)
    message = str(caught.value)
    assert "12 in the file but not in the model: extra.0.weight" in message
    assert "extra.9.weight, and 2 more" in message
    assert "1 in the model but not in the file: layer1.0.conv1/kernel" in message
    assert "1 of another shape (in our axis order): fc.weight is 32x5, fc/kernel is 32x4" in message
    for name, value in native.collect(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_head_that_is_skipped_stays_as_it_is():
    net = _tiny()
    state = _tiny_state(net)
    state["fc.weight"] = np.zeros((5, 32), np.float32)
    state["fc.bias"] = np.zeros(5, np.float32)
    state["AuxLogits.fc.weight"] = np.zeros((5, 32), np.float32)  # has no place in this net
    before = native.collect(net)
    weights.load(net, state, skip=("^fc/", r"^AuxLogits\."))
    after = native.collect(net)
    np.testing.assert_array_equal(after["fc/kernel"], before["fc/kernel"])
    np.testing.assert_array_equal(after["fc/bias"], before["fc/bias"])
    np.testing.assert_array_equal(after["bn1/gamma"], state["bn1.weight"])


@pytest.mark.parametrize(
    ("skip", "message"),
    [
        (("^head/",), "found in no variable"),
        (("(",), "is not a regular expression"),
        ("^fc/", "is a list"),
    ],
)
def test_a_skip_that_cannot_be_meant_is_refused(skip, message):
    net = _tiny()
    with pytest.raises(errors.UsageError, match=message):
        weights.load(net, native.collect(net), source="tfvision", skip=skip)


def test_values_that_are_not_finite_are_refused():
    net = _tiny()
    state = _tiny_state(net)
    state["bn1.bias"] = np.array([0, np.nan, 0, 0])
    with pytest.raises(errors.DataError, match=r"bn1\.bias: values that are NaN"):
        weights.load(net, state)


def test_an_unknown_source_is_told_with_its_neighbour():
    with pytest.raises(errors.UsageError, match="did you mean 'torchvision'"):
        weights.load(_tiny(), {}, source="torchvison")


@pytest.mark.parametrize("extension", ["npz", "safetensors"])
def test_our_format_comes_back_as_it_was(tmp_path, extension):
    net, other = _tiny(), _tiny()
    weights.load(net, _tiny_state(net))
    path = tmp_path / f"new/net.{extension}"
    native.save(native.collect(net), path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    weights.load(other, path, source="tfvision")
    expected = native.collect(net)
    for name, value in native.collect(other).items():
        np.testing.assert_array_equal(value, expected[name])


def test_turned_arrays_are_saved_as_they_look(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    native.save({"a/b": array}, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(weights.readers.read(tmp_path / "a.safetensors")["a/b"], array)


def test_our_format_is_as_strict(tmp_path):
    net = _tiny()
    values = native.collect(net)
    del values["fc/bias"]
    native.save(values, tmp_path / "a.npz")
    with pytest.raises(errors.DataError, match=r"a\.npz: .*1 in the model .*: fc/bias"):
        weights.load(net, tmp_path / "a.npz", source="tfvision")
    with pytest.raises(errors.UsageError, match="must end in"):
        native.save(values, tmp_path / "a.h5")


def _import_weights(*arguments):
    """In a process of its own, because flags are global to one."""
    return warm.run("tfvision.tools.import_weights", *arguments)


def test_import_weights_turns_a_checkpoint_into_our_file(tmp_path):
    net = architectures.build("resnet18", num_classes=3, image_size=(32, 32))
    state = _tiny_state(net, prefix="module.")
    np.savez(tmp_path / "theirs.npz", **state)
    done = _import_weights(
        f"--checkpoint={tmp_path / 'theirs.npz'}",
        "--model=resnet18",
        f"--output={tmp_path / 'ours.npz'}",
    )
    assert done.returncode == 0, done.stderr
    assert "102 variables, 11,187,651 values, 3 classes" in done.stdout
    weights.load(net, tmp_path / "ours.npz", source="tfvision")
    values = native.collect(net)
    np.testing.assert_array_equal(values["fc/kernel"], state["module.fc.weight"].T)


@pytest.mark.parametrize(
    ("flags", "kind", "message"),
    [
        (["--output=a.h5"], "UsageError", "must end in .safetensors or .npz"),
        (["--output=a.npz", "--source=mxnet"], "UsageError", "unknown source of weights 'mxnet'"),
        (["--output=a.npz"], "DataError", "not there"),
        ([], "UsageError", "--output is missing"),
    ],
)
def test_import_weights_refuses_in_one_line_before_it_works(flags, kind, message):
    done = _import_weights("--checkpoint=none.pth", "--model=resnet18", *flags)
    assert done.returncode
    last = done.stderr.strip().splitlines()[-1]
    assert kind in last
    assert message in last
