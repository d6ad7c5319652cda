"""Every network as `.keras`: saved, loaded in a fresh process, the same outputs."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import shallow

from tfvision import architectures, losses, metrics, optimizers, stack
from tfvision.architectures import rcnn

pytestmark = [pytest.mark.addons, pytest.mark.slow]

SIZE = (64, 64)
CFG = """[net]
[convolutional]
filters=4
[convolutional]
filters=4
groups=2
[route]
layers=-1
groups=2
group_id=1
[convolutional]
filters=8
activation=linear
[yolo]
mask=0
anchors=10,20
num=1
classes=3
"""
# Networks of more units than another one here, or of its parts in another order.
SAME_LAYERS = (
    "resnet(34|101|152)|vgg19|densenet(56|67|103)|(yolo|deeplab).*_small"
    "|(rcnn|deeplab).*resnet50|(fast|mask)_rcnn_mobilenet|xception|_spp"
)
# On the second stack: loading takes as long again there.
FEW = ("deeplab_v3plus_mobilenet_v2", "yolo_v2", "mask_rcnn_resnet18_fpn")
# Says of each file whether its model gives the stored outputs.
LOAD = """
import sys
import keras
import numpy as np
import tfvision.models

for path in sys.argv[1:]:
    model, stored = keras.models.load_model(path), np.load(path + ".npz")
    outputs = model({name: stored["in/" + name] for name in model.input}, training=False)
    same = all(np.array_equal(outputs[name], stored["out/" + name]) for name in model.output)
    print("same" if same else "other", path)
# Of the last one, which is compiled.
print(type(model.optimizer).__name__, type(model.optimizer._learning_rate).__name__)
results = model.evaluate({"image": stored["in/image"]}, {"class_logits": np.array([2])}, verbose=0)
print(*results)
"""


def build(name, folder):
    """A small network."""
    size = (75, 75) if name == "inception_v3" else SIZE
    options = {"cfg": folder / "net.cfg"} if name == "darknet" else narrow(name)
    return architectures.build(name, num_classes=3, image_size=size, **options)


def narrow(name):
    """The options that make a network small."""
    if name in rcnn.RCNN:
        family, size = rcnn.ARCHITECTURES[name].family, {"width": 4, "region_samples": 8}
        size |= {"channels": 8, "hidden": 16} if family.pyramid else {}
        size |= {"mask_widths": (8,)} if family.masks else {}
        return size | ({"train_post_nms": 8, "post_nms": 8} if family.proposals else {})
    if name.startswith("fc_densenet"):
        return {"blocks": (1, 2, 1), "growth": 2, "width": 4}
    if name.startswith(("vgg", "deeplab_v1")):
        return {"width": 2, "hidden": 8}
    if name.startswith("yolo"):
        shorter = {"yolo_v1": {"hidden": 8}, "yolo_v3": {"units": (1,) * 5, "head_pairs": 2}}
        return {"width": 2, **({} if "tiny" in name else shorter.get(name[:7], {}))}
    return {"width": 4}


def inputs(model):
    """One image with two objects, as far as the model asks for it."""
    rng, size = np.random.default_rng(0), model.input["image"].shape[1:3]
    boxes = np.array([[[4, 6, 40, 50], [20, 8, 60, 30]]], np.float32)
    known = {
        "image": rng.uniform(0, 255, (1, *size, 3)).astype(np.float32),
        "frame": np.array([[*size, 1, 1, 0, 0]], np.float32),
        "boxes": boxes,
        "class_ids": np.array([[0, 2]], np.int32),
        "masks": rng.integers(0, 2, (1, 2, 12, 12)).astype(np.uint8),
        "proposals": boxes + 1,
        "num_proposals": np.array([2], np.int32),
    }
    return {name: known[name] for name in model.input}


def save(model, path):
    """The model, one input and its outputs."""
    given = inputs(model)
    outputs = model(given, training=False)
    model.save(path)
    stored = {f"in/{name}": value for name, value in given.items()}
    np.savez(f"{path}.npz", **stored, **{f"out/{name}": v for name, v in outputs.items()})


def save_all(folder):
    """The files of every network but those of SAME_LAYERS."""
    (folder / "net.cfg").write_text(CFG)
    paths, rng = [], np.random.default_rng(0)
    names = [name for name in architectures.names() if not re.search(SAME_LAYERS, name)]
    for name in names if stack.KERAS_3 else FEW:
        net = build(name, folder)
        for variable in net.variables():
            variable.assign(stack.raw(variable) + rng.uniform(0, 0.1, variable.shape))
        # R-CNN's graphs of training differ by family alone.
        both = name not in rcnn.RCNN or "resnet18" in name
        for part in {id(net.train): "train", id(net.serve): "serve"}.values():
            if both or part == "serve":
                paths.append(folder / f"{name}.{part}.keras")
                save(getattr(net, part), paths[-1])
    return paths


def save_compiled(path):
    """A classifier with our optimizer, schedule, loss and metric; returns its loss on one image."""
    model = architectures.build("resnet18", num_classes=3, image_size=SIZE, width=4).train
    model.compile(
        optimizers.LAMB(optimizers.Schedule("cosine", 1e-3, 10)),
        loss={"class_logits": losses.CrossEntropy()},
        metrics={"class_logits": [metrics.TopK(3)]},
    )
    save(model, path)
    logits = model(inputs(model), training=False)["class_logits"]
    return float(losses.CrossEntropy()([2], logits))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """(files, what LOAD prints, the loss of the compiled model)."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        shallow.shorten(patch)
        paths = [*save_all(folder), folder / "compiled.keras"]
        loss = save_compiled(paths[-1])
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, paths)],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.returncode == 0, done.stderr
    return paths, done.stdout.splitlines(), loss


def test_every_network_is_the_same_after_loading(loaded):
    paths, lines, _ = loaded
    assert lines[: len(paths)] == [f"same {path}" for path in paths]


def test_a_compiled_network_has_its_optimizer_loss_and_metric_after_loading(loaded):
    paths, lines, loss = loaded
    made, results = lines[len(paths) :]
    assert made == "LAMB Schedule"
    numbers = [float(number) for number in results.split()]
    assert numbers[0] == pytest.approx(loss, rel=1e-5)
    assert numbers[-1] == 1.0  # top3 of three classes
