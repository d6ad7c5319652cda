"""Darknet's weights into nets and back: real files, and networks held to OpenCV's numbers."""

import json
import pathlib
import struct
import zlib

import keras
import numpy as np
import pytest
import warm
from oracle_files import fill

from tfvision import architectures, errors, weights
from tfvision.architectures import yolo_networks, yolo_versions
from tfvision.ops import yolo_decode as yolo_ops
from tfvision.weights import darknet_weights, native

pytestmark = pytest.mark.addons

ORACLES = pathlib.Path(__file__).parents[1] / "oracles"
CASES = {
    "yolov3-tiny_416": ("yolo_v3_tiny", {}),
    "yolov2-voc_416": ("yolo_v2", {"anchors": yolo_versions.V2_VOC}),
    "yolov2-coco_416": ("yolo_v2", {}),
    "yolov3_416": ("yolo_v3", {}),
    "yolov3-spp_320": ("yolo_v3_spp", {}),
}
LARGE = tuple(CASES)[1:]
REAL = {  # file without its extension -> classes
    "yolov3_tiny_darknet/yolov3-tiny": 80,
    "yolo_fastest_darknet/yolo-fastest-1.1": 80,
    "mobilenetv2_yolov3_nano_darknet/MobileNetV2-YOLOv3-Nano-voc": 20,
}
# Layer 0 has 4 filters, layer 2 is depthwise without normalisation, layer 4 the head: 3 classes
CFG = """[net]
width=32
height=32
[conv]
filters=4
size=3
stride=2
pad=1
batch_normalize=1
activation=leaky
[maxpool]
size=2
stride=2
[conv]
filters=4
groups=4
size=3
pad=1
activation=relu
[shortcut]
from=-2
[conv]
filters=16
activation=linear
[yolo]
anchors=4,6, 8,10
num=2
classes=3
"""
VALUES = 4 * 4 + 4 * 27 + 4 + 4 * 9 + 16 + 16 * 4
HEAD = 16 + 16 * 4
START = struct.pack("<3iq", 0, 2, 5, 7)


def _oracle(case):
    """(meta, golden, layers, what `darknet.read` would give of the case's file)."""
    meta, layers = (
        json.loads((ORACLES / case / name).read_text(encoding="utf-8"))
        for name in ("meta.json", "layers.json")
    )
    with np.load(ORACLES / case / "golden.npz") as file:
        golden = dict(file)
    arrays = []
    for name, shape in [p for layer in layers["layers"] for p in layer.get("params", ())]:
        array = golden.get(f"override/{name}")
        if array is None:
            array = fill.fill(name, shape, meta["salt"])
            array *= np.float32(meta["weight_scale"].get(name, 1.0))
        arrays.append(array.ravel())
    values = np.concatenate(arrays)
    header = darknet_weights.Header(*meta["weights_header"], meta["weights_seen"])
    start = struct.pack("<3i", *header[:3]) + struct.pack("<q" if header.long else "<i", header[3])
    assert len(start) + values.nbytes == meta["weights_file"]["bytes"]
    assert zlib.crc32(values, zlib.crc32(start)) == meta["weights_file"]["crc32"]
    return meta, golden, layers["layers"], {"header": np.array(header), "values": values}


def _channels_first(raw):
    """A head's [1, H, W, A, 5 + K] -> [A * (5 + K), H, W]."""
    raw = np.asarray(raw, np.float64)[0]
    return raw.reshape(*raw.shape[:2], -1).transpose(2, 0, 1)


@pytest.mark.parametrize(
    "case", ["yolov3-tiny_416", *(pytest.param(c, marks=pytest.mark.slow) for c in LARGE)]
)
def test_layers_heads_and_boxes_are_those_of_opencv(case):
    meta, golden, layers, file = _oracle(case)
    name, options = CASES[case]
    classes = layers[-1]["classes"]
    assert yolo_networks.num_classes(name, file["values"].size, **options) == classes
    size = tuple(meta["input_hw"])
    net = architectures.build(name, num_classes=classes, image_size=size, **options)
    assert weights.load(net, file, source="darknet") == meta["stored_floats"]
    trainable = sum(int(np.prod(v.shape)) for v in net.train.trainable_variables)
    assert trainable == meta["trainable_parameters"]
    del file

    picture = {"image": fill.image(meta["image_seed"], *size)[None] * np.float32(255)}
    _check_layers(net, picture, golden)
    heads = yolo_networks.heads(name, num_classes=classes, **options)
    outputs = {k: np.asarray(v) for k, v in net.serve(picture, training=False).items()}
    _check_heads(case, outputs, golden)
    boxes, objectness, probabilities = (
        np.asarray(part)[0][golden["decoded_rows_index"]]
        for part in yolo_ops.decode_all(outputs, heads, size)
    )
    y1, x1, y2, x2 = (boxes / (*size, *size)).T
    rows = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, objectness], axis=-1)
    difference = np.abs(np.concatenate([rows, probabilities], axis=-1) - golden["decoded_rows"])
    print(f"{case}, decoded rows: differ by {difference.max():.1e}")
    assert difference.max() <= 5e-4


def _check_heads(case, outputs, golden):
    keys = sorted((k for k in golden if "step" in k), key=lambda key: int(key.split("_")[1]))
    assert len(keys) == len(outputs)
    for index, key in enumerate(keys):
        raw, step = _channels_first(outputs[f"yolo_{index}"]), int(key.partition("step")[2])
        difference = np.abs(raw[:, ::step, ::step] - golden[key]).max() / raw.std()
        print(f"{case}, head {index}: differs by {difference:.1e} of its standard deviation")
        assert difference <= 5e-4


def _check_layers(net, picture, golden):
    """The first that differs tells where."""
    last = {int(layer.name[1:4]): layer for layer in net.serve.layers if layer.name[0] == "L"}
    nodes = [int(key.rpartition("_")[2]) for key in golden if key.startswith("stats_layer_")]
    nodes = sorted(set(nodes) & set(last))  # a [route] of one layer is not a layer here
    assert len(nodes) >= 7
    model = keras.Model(net.serve.input, {str(node): last[node].output for node in nodes})
    got = model(picture, training=False)
    for node in nodes:
        value = np.asarray(got[str(node)], np.float64)
        stats = np.stack([value.mean((0, 1, 2)), value.std((0, 1, 2))])
        expected = golden[f"stats_layer_{node}"]
        assert np.abs(stats - expected).max() <= 1e-4 * np.abs(expected).max(), node
        corner = value[0, :4, :4, :8].transpose(2, 0, 1)
        expected = golden[f"corner_layer_{node}"]
        assert np.abs(corner - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max()), node


@pytest.mark.parametrize("name", REAL)
def test_real_files_fill_the_net_of_their_cfg_and_come_back_byte_for_byte(
    shared_data, tmp_path, name
):
    path = shared_data.parent / "weights" / name
    cfg, file = (path.parent / f"{path.name}.{extension}" for extension in ("cfg", "weights"))
    net = architectures.build("darknet", num_classes=REAL[name], image_size=(320, 320), cfg=cfg)
    content = darknet_weights.read(file)
    assert weights.load(net, file, source="darknet") == content["values"].size
    darknet_weights.write(
        net, tmp_path / "back", header=darknet_weights.Header(*content["header"].tolist())
    )
    assert (tmp_path / "back").read_bytes() == file.read_bytes()


def test_the_published_yolov3_tiny_sees_what_opencv_sees(shared_data):
    folder = shared_data.parent / "weights"
    net = architectures.build("yolo_v3_tiny", num_classes=80, image_size=(416, 416))
    weights.load(net, folder / "yolov3_tiny_darknet" / "yolov3-tiny.weights", source="darknet")
    with np.load(folder / "reference" / "yolov3_tiny_tensors.npz") as reference:
        # stored as float16 of k / 255
        picture = np.rint(reference["input_nchw"].astype(np.float32) * 255).transpose(0, 2, 3, 1)
        expected = [reference["conv_15"][0], reference["conv_22"][0]]
    outputs = net.serve({"image": picture}, training=False)
    for index, values in enumerate(expected):
        difference = np.abs(_channels_first(outputs[f"yolo_{index}"]) - values).max()
        print(f"head {index} differs by {difference / values.std():.1e} of its deviation")
        assert difference <= 1e-4 * values.std()


def _net(tmp_path, text=CFG, size=32):
    path = tmp_path / "net.cfg"
    path.write_text(text, encoding="utf-8")
    return architectures.build("darknet", num_classes=3, image_size=(size, size), cfg=path)


def _file(tmp_path, values, start=START):
    path = tmp_path / "net.weights"
    path.write_bytes(start + np.asarray(values, "<f4").tobytes())
    return path


def test_values_are_taken_in_darknets_order(tmp_path):
    net = _net(tmp_path)
    path = _file(tmp_path, np.arange(VALUES))
    assert weights.load(net, path, source="darknet") == VALUES
    got = native.collect(net)
    for name, first in (("beta", 0), ("gamma", 4), ("moving_mean", 8), ("moving_variance", 12)):
        np.testing.assert_array_equal(got[f"L000.bn/{name}"], np.arange(first, first + 4))
    # weights [out, in, row, column]: of filter 1, channel 2, row 0, column 1
    assert got["L000.conv/kernel"][0, 1, 2, 1] == 16 + 1 * 27 + 2 * 9 + 1
    assert got["L002.bias/bias"][1] == 124 + 1
    assert got["L002.conv/kernel"][2, 0, 0, 3] == 128 + 3 * 9 + 2 * 3
    assert got["L004.head/bias"][15] == 164 + 15
    assert got["L004.head/kernel"][0, 0, 3, 15] == VALUES - 1


@pytest.mark.parametrize(
    ("start", "header"),
    [
        (struct.pack("<3ii", 0, 1, 0, 9), (0, 1, 0, 9)),
        (struct.pack("<3iq", 0, 2, 0, 2**40), (0, 2, 0, 2**40)),
        (struct.pack("<3iq", 1, 0, 0, 9), (1, 0, 0, 9)),
        (struct.pack("<3ii", 1001, 0, 0, 9), (1001, 0, 0, 9)),
    ],
)
def test_seen_is_as_long_as_the_version_says(tmp_path, start, header):
    content = darknet_weights.read(_file(tmp_path, [1, 2], start))
    assert tuple(content["header"]) == header
    np.testing.assert_array_equal(content["values"], [1, 2])


@pytest.mark.parametrize("major", [0, 1001])
def test_local_and_dense_layers_are_turned_and_come_back(tmp_path, major):
    text = """[net]
width=4
height=4
[local]
filters=2
size=3
pad=1
[connected]
output=32
activation=linear
[detection]
side=2
num=1
classes=3
"""
    net = _net(tmp_path, text, 4)
    header = darknet_weights.Header(major, 2, 0, 5)
    count = 32 + 16 * 2 * 27 + 32 + 32 * 32
    start = struct.pack("<3iq" if header.long else "<3ii", *header)
    path = _file(tmp_path, np.arange(count), start)
    assert weights.load(net, path, source="darknet") == count
    got = native.collect(net)
    # [local]'s biases are [filter, row, column], weights [place, filter, channel, row, column]
    assert got["L000.local/bias"][1, 2, 1] == 16 + 1 * 4 + 2
    place = 1 * 4 + 2
    assert got["L000.local/kernel"][1, 2, 0, 1, 2, 1] == 32 + (place * 2 + 1) * 27 + 2 * 9 + 1
    first = count - 32 * 32
    at = 5 * 32 + 3 if major else 3 * 32 + 5
    assert got["L001.head/kernel"][5, 3] == first + at
    darknet_weights.write(net, tmp_path / "back", header=header)
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (VALUES + 3, "12 bytes too long: they stand after the last layer, L004.head"),
        (VALUES - 1, "4 bytes too short: it ends at L004.head/kernel, which takes 256 bytes and"),
        (130, "ends at L002.conv/kernel, which takes 144 bytes and finds 8"),
        (0, "ends at L000.bn/beta, which takes 16 bytes and finds 0"),
    ],
)
def test_a_file_of_another_length_is_refused_and_nothing_is_changed(tmp_path, count, message):
    net = _net(tmp_path)
    before = native.collect(net)
    with pytest.raises(errors.DataError, match=message) as caught:
        weights.load(net, _file(tmp_path, np.zeros(count)), source="darknet")
    assert "net.weights" in str(caught.value)
    for name, value in native.collect(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_file_that_is_cut_off_or_missing_is_refused(tmp_path):
    path = _file(tmp_path, [1, 2])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(errors.DataError, match=r"27 bytes are a header of 20 and 1\.75 values"):
        darknet_weights.read(path)
    path.write_bytes(b"abc")
    with pytest.raises(errors.DataError, match="3 bytes: no Darknet weights"):
        darknet_weights.read(path)
    with pytest.raises(errors.DataError, match="cannot be read"):
        darknet_weights.read(tmp_path / "none")


def test_a_net_that_is_not_darknets_is_refused(tmp_path):
    net = architectures.build("resnet18", num_classes=3, image_size=(32, 32), width=4)
    with pytest.raises(errors.DataError, match=r"conv1/kernel has no place in a \.weights"):
        weights.load(net, _file(tmp_path, [1]), source="darknet")


def test_values_that_are_not_finite_are_refused(tmp_path):
    values = np.zeros(VALUES)
    values[126] = np.nan
    with pytest.raises(errors.DataError, match=r"L002\.bias/bias: values that are NaN"):
        weights.load(_net(tmp_path), _file(tmp_path, values), source="darknet")


def test_heads_of_other_classes_are_passed_over(tmp_path):
    net = _net(tmp_path)
    before = native.collect(net)
    body = VALUES - HEAD
    # 80 classes instead of 3: 2 * 85 outputs instead of 2 * 8
    file = _file(tmp_path, np.arange(body + 170 + 170 * 4))
    assert weights.load(net, file, source="darknet", skip=(r"\.head/",)) == body
    after = native.collect(net)
    np.testing.assert_array_equal(after["L004.head/kernel"], before["L004.head/kernel"])
    assert after["L002.conv/kernel"][2, 2, 0, 3] == body - 1
    with pytest.raises(errors.DataError, match="too long"):
        weights.load(net, file, source="darknet")


def test_a_file_may_end_before_layers_that_are_skipped(tmp_path):
    net = _net(tmp_path)
    file = _file(tmp_path, np.arange(VALUES - HEAD))  # as darknet53.conv.74
    assert weights.load(net, file, source="darknet", skip=(r"^L004",)) == VALUES - HEAD
    with pytest.raises(errors.DataError, match=r"too short: it ends at L004\.head/bias"):
        weights.load(net, file, source="darknet")


def _import_weights(*arguments):
    """In a process of its own, because flags are global to one."""
    return warm.run("tfvision.tools.import_weights", *arguments)


def test_import_weights_takes_a_cfg_and_writes_both_formats(tmp_path):
    _net(tmp_path)
    file = _file(tmp_path, np.arange(VALUES))
    cfg = f"--cfg={tmp_path / 'net.cfg'}"
    for name in ("ours.npz", "back.weights"):
        flags = (f"--checkpoint={file}", f"--output={tmp_path / name}")
        done = _import_weights("--source=darknet", cfg, *flags)
        assert done.returncode == 0, done.stderr
        assert f"9 variables, {VALUES} values, 3 classes" in done.stdout
        assert "--config.model.name=darknet --config.model.cfg=" in done.stdout
    assert (tmp_path / "back.weights").read_bytes() == file.read_bytes()
    net = _net(tmp_path)
    weights.load(net, tmp_path / "ours.npz", source="tfvision")
    assert native.collect(net)["L004.head/bias"][15] == 164 + 15


def test_import_weights_counts_the_classes_of_a_named_network(tmp_path):
    name, options = "yolo_v3_small", ("--set=width=4", "--model=yolo_v3_small")
    net = architectures.build(name, num_classes=7, image_size=(32, 32), width=4)
    darknet_weights.write(net, tmp_path / "a.weights")
    flags = (f"--checkpoint={tmp_path / 'a.weights'}", f"--output={tmp_path / 'a.npz'}")
    done = _import_weights("--source=darknet", *options, *flags)
    assert done.returncode == 0, done.stderr
    assert ", 7 classes" in done.stdout
    flags = (f"--checkpoint={tmp_path / 'a.npz'}", f"--output={tmp_path / 'b.weights'}")
    done = _import_weights("--source=tfvision", *options, *flags)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.weights").read_bytes() == (tmp_path / "b.weights").read_bytes()
    cfg = tmp_path / "b.cfg"  # what such weights are of
    net = architectures.build("darknet", num_classes=7, image_size=(32, 32), cfg=cfg)
    weights.load(net, tmp_path / "b.weights", source="darknet")
    flags = (f"--checkpoint={tmp_path / 'a.weights'}", f"--output={tmp_path / 'c.npz'}")
    done = _import_weights("--source=darknet", f"--model={name}", *flags)  # not of width 4
    assert done.returncode
    assert "are those of yolo_v3_small for no number of classes" in done.stderr


def test_import_weights_wants_a_model_or_a_cfg():
    done = _import_weights("--checkpoint=a.weights", "--output=a.npz", "--source=darknet")
    assert done.returncode
    assert "either --model or, of Darknet, --cfg" in done.stderr


@pytest.mark.parametrize(
    ("start", "count", "message"),
    [
        # `seen` of 32 bits under a version that has 64: the first bias is taken for a part of it
        (
            START[:16],
            VALUES,
            r"version 0\.2\.5, .* 20 bytes \(5 ints.*16 would fit.*version 0\.1\.0",
        ),
        (
            struct.pack("<3iq", 0, 1, 0, 9),
            VALUES,
            r"version 0\.1\.0, .* 16 bytes \(4 ints.*20 would fit.*version 0\.2\.0",
        ),
        (START, VALUES + 1, r"version 0\.2\.5, .* 20 bytes \(5 ints.*16 bytes would not fit"),
    ],
)
def test_a_file_that_is_four_bytes_off_names_its_header(tmp_path, start, count, message):
    file = _file(tmp_path, np.ones(count), start)
    with pytest.raises(errors.DataError, match=message):
        weights.load(_net(tmp_path), file, source="darknet")
    with pytest.raises(errors.DataError) as caught:
        weights.load(_net(tmp_path), _file(tmp_path, np.ones(VALUES + 3)), source="darknet")
    assert "ints" not in str(caught.value)


def test_import_weights_names_the_header_of_a_named_network(tmp_path):
    net = architectures.build("yolo_v3_small", num_classes=7, image_size=(32, 32), width=4)
    darknet_weights.write(net, tmp_path / "a.weights")
    content = (tmp_path / "a.weights").read_bytes()
    (tmp_path / "a.weights").write_bytes(content[:16] + content[20:])
    flags = (f"--checkpoint={tmp_path / 'a.weights'}", f"--output={tmp_path / 'a.npz'}")
    done = _import_weights("--source=darknet", "--set=width=4", "--model=yolo_v3_small", *flags)
    assert done.returncode
    assert "was taken for 20 bytes (5 ints" in done.stderr
