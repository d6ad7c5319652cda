"""State dicts of DeepLabs into ours, held to the numbers of torchvision and of smp."""

import pathlib

import keras
import numpy as np
import oracle_files
import oracle_stages
import pytest
from oracle_files import fill

from tfvision import errors, layers, weights
from tfvision.architectures import deeplab
from tfvision.net import Net
from tfvision.weights import native

ORACLES = pathlib.Path(__file__).parents[1] / "oracles"
ENDS = {50: (2, 3, 5, 2), 101: (2, 3, 22, 2)}  # the last unit of each stage of a ResNet


def _state(meta, golden):
    state = oracle_files.state(meta)
    for name, checksum in meta["fill_check"].items():
        assert fill.checksum(state[name]) == checksum
    replaced = {n.removeprefix("override/"): a for n, a in golden.items() if "override/" in n}
    assert set(replaced) <= set(state)
    return {**state, **replaced}


def _model(name, size, num_classes, **options):
    image = keras.Input((*size, 3), name="image")
    outputs = deeplab.DEEPLAB[name](image, num_classes=num_classes, **options)
    return keras.Model({"image": image}, outputs)


def _net(name, size, num_classes, **options):
    model = _model(name, size, num_classes, **options)
    return Net(model, model)


def _nodes(depth, smp):
    """The oracle's nodes -> our layers."""
    nodes = {f"C{i + 2}": f"layer{i + 1}.{n}.out" for i, n in enumerate(ENDS[depth])}
    if not smp:
        names = ("aspp_1x1", "aspp_r12", "aspp_r24", "aspp_r36")
        branches = {n: f"classifier.0.convs.{i}.1.relu" for i, n in enumerate(names)}
        end = {"aspp": "classifier.0.project.1.relu", "low_res_logits": "classifier.4"}
        return {**nodes, **branches, "aspp_pool": "classifier.0.convs.4.resize", **end}
    branches = {f"aspp_{i}": f"decoder.aspp.0.convs.{i}.1.relu" for i in range(4)}
    end = {"aspp": "decoder.aspp.2.relu", "low": "decoder.block1.1.relu"}
    end |= {"decoder": "decoder.block2.1.relu", "low_res_logits": "segmentation_head.0"}
    return {**nodes, **branches, "aspp_pool": "decoder.aspp.0.convs.4.resize", **end}


def _same(model, meta, golden, nodes):
    """Holds the stages, the logits and the classes of `model` to the oracle's."""
    pictures = np.stack([fill.image(seed, *meta["input_hw"]) for seed in meta["image_seeds"]])
    outputs = {node: model.get_layer(name).output for node, name in nodes.items()}
    found = keras.Model(model.input, {**outputs, **model.output})(
        {"image": pictures * np.float32(255)}, training=False
    )
    found = {name: np.asarray(value, np.float64) for name, value in found.items()}
    oracle_stages.assert_same(found, golden, nodes)
    logits = found["class_logits"].transpose(0, 3, 1, 2)
    difference = np.abs(logits[:, :, ::4, ::4] - golden["logits_sample"]).max() / meta["logits_std"]
    print(f"{meta['case']}: logits differ by {difference:.1e} of their standard deviation")
    assert difference <= 1e-4
    shape = golden["argmax"].shape
    close = np.unpackbits(golden["margin_small"], count=np.prod(shape)).reshape(shape)
    assert (close == 0).mean() > 0.99
    assert ((logits.argmax(1) == golden["argmax"]) | (close == 1)).all()
    return found


def _trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.slow
@pytest.mark.addons
def test_deeplab_v3_is_torchvisions():
    meta, golden = oracle_files.read("deeplabv3_resnet50")
    net = _net("deeplab_v3_resnet50", meta["input_hw"], 21, **deeplab.TORCHVISION_OPTIONS)
    count = weights.load(net, _state(meta, golden), source="torchvision")
    assert count == meta["state_dict_elements"] - meta["num_batches_tracked_entries"]
    assert _trainable(net.train) == meta["trainable"]
    found = _same(net.train, meta, golden, _nodes(50, smp=False))
    aux = found["aux_logits"].transpose(0, 3, 1, 2)
    assert aux.shape == (2, 21, 193, 257)
    difference = np.abs(aux[:, :, ::8, ::8] - golden["aux_sample"]).max()
    assert difference <= 1e-4 * golden["aux_sample"].std()


@pytest.mark.slow
@pytest.mark.addons
def test_deeplab_v3plus_is_smps_at_both_output_strides_with_one_set_of_weights():
    meta, golden = oracle_files.read("deeplabv3plus_resnet50_os16")
    name = "deeplab_v3plus_resnet50"
    net = _net(name, meta["input_hw"], 21, **deeplab.SMP_OPTIONS)
    count = weights.load(net, _state(meta, golden), source="smp")
    assert count == meta["state_dict_elements"] - meta["num_batches_tracked_entries"]
    assert _trainable(net.train) == meta["trainable"]
    _same(net.train, meta, golden, _nodes(50, smp=True))

    meta, golden = oracle_files.read("deeplabv3plus_resnet50_os8")
    with layers.sharing(net.train):
        dense = _model(name, meta["input_hw"], 21, output_stride=8, **deeplab.SMP_OPTIONS)
    bias = golden["override/segmentation_head.0.bias"]  # the two cases differ in it alone
    net.train.get_layer("segmentation_head.0").bias.assign(bias)
    _same(dense, meta, golden, _nodes(50, smp=True))


@pytest.mark.slow
def test_deeplab_v3plus_on_resnet101_is_smps():
    meta, golden = oracle_files.read("deeplabv3plus_resnet101_os16")
    net = _net("deeplab_v3plus_resnet101", meta["input_hw"], 19, **deeplab.SMP_OPTIONS)
    weights.load(net, _state(meta, golden), source="smp")
    assert _trainable(net.train) == meta["trainable"]
    _same(net.train, meta, golden, _nodes(101, smp=True))


@pytest.mark.addons
@pytest.mark.parametrize(("source", "before"), [("torchvision", "backbone."), ("smp", "encoder.")])
def test_a_classifiers_weights_fill_the_backbone_under_either_name(source, before):
    net = _net("deeplab_v3plus_resnet18", (33, 33), 3, width=4, channels=4)
    names = {"kernel": "weight", "gamma": "weight", "beta": "bias"}
    names |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    state, expected = {}, native.collect(net)
    for index, name in enumerate(list(expected)):
        layer, leaf = name.split("/")
        if not layer.startswith(("decoder", "segmentation_head")):
            expected[name] = np.full_like(expected[name], index + 1)
            value = expected[name]
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
            state[f"{before if index % 2 else ''}{layer}.{names[leaf]}"] = value
    state["fc.weight"] = np.zeros((1000, 32))
    weights.load(net, state, source=source, skip=("^fc/", "^decoder", "^segmentation_head"))
    for name, value in native.collect(net).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_one_module_under_both_names_is_refused():
    net = _net("deeplab_v3plus_resnet18", (33, 33), 3, width=4, channels=4)
    state = {"bn1.bias": np.zeros(4), "backbone.bn1.bias": np.ones(4)}
    with pytest.raises(errors.DataError, match=r"'bn1\.bias' and 'backbone\.bn1\.bias' are both"):
        weights.load(net, state)


def test_mobilenets_imagenet_weights_fill_the_backbone(shared_data):
    (path,) = (shared_data.parent / "weights" / "mobilenet_v2_imagenet_torch").glob("*.npz")
    net = _net("deeplab_v3plus_mobilenet_v2", (65, 65), 3)
    skip = (r"^features\.18", r"^classifier", "^decoder", "^segmentation_head")
    count = weights.load(net, path, skip=skip)
    filled = [v for n, v in native.collect(net).items() if n.startswith("features")]
    assert count == sum(value.size for value in filled)
    picture = np.random.default_rng(0).uniform(0, 255, (1, 65, 65, 3)).astype(np.float32)
    assert np.isfinite(net.serve({"image": picture})["class_logits"]).all()
