"""Real weights on real photos: torchvision's MobileNetV2, against its stored logits."""

import csv

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from tfvision import architectures, tasks, weights
from tfvision import config as configs

pytestmark = [pytest.mark.addons, pytest.mark.slow]

SIZE = (224, 224)


@pytest.fixture(scope="module")
def net(shared_data):
    net = architectures.build("mobilenet_v2", num_classes=1000, image_size=SIZE)
    folder = shared_data.parent / "weights" / "mobilenet_v2_imagenet_torch"
    weights.load(net, folder / "mobilenet_v2-b0353104.npz", source="torchvision")
    return net


@pytest.fixture(scope="module")
def photos(shared_data):
    """(paths, true classes, reference logits [70, 1000])."""
    folder = shared_data / "cls_imagenet_sample"
    with open(folder / "labels.csv", encoding="utf-8") as file:
        truth = {row["file"]: int(row["class_index_keras_order"]) for row in csv.DictReader(file)}
    path = shared_data.parent / "weights" / "reference" / "mobilenet_v2_imagenet_logits.npz"
    with np.load(path) as reference:
        names, logits = reference["files"], reference["logits"]
    return [folder / "images" / n for n in names], np.array([truth[n] for n in names]), logits


def _pillow(path, *, upright, rounded):
    """Pillow: short side to 256, bilinear with antialiasing; center 224.

    rounded: the long side is rounded (the reference); torchvision cuts its fraction off."""
    image = PIL.Image.open(path)
    image = (PIL.ImageOps.exif_transpose(image) if upright else image).convert("RGB")
    scale = 256 / min(image.size)
    sides = (side * scale + 1e-3 for side in image.size)
    width, height = (round(side) if rounded else int(side) for side in sides)
    image = image.resize((width, height), PIL.Image.BILINEAR)
    half = (lambda n: n // 2) if rounded else (lambda n: round(n / 2))
    left, top = half(width - 224), half(height - 224)
    return np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)


def _logits(net, images):
    return np.asarray(net.serve({"image": np.stack(images)}, training=False)["class_logits"])


def test_the_same_pixels_give_the_same_logits(net, photos):
    paths, truth, expected = photos
    logits = _logits(net, [_pillow(path, upright=False, rounded=True) for path in paths])
    print(f"largest difference of a logit: {np.abs(logits - expected).max():.1e}")
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    assert (logits.argmax(1) == truth).sum() == 65


def test_our_own_preprocessing_classifies_as_well(net, photos):
    paths, truth, expected = photos
    config = configs.config(
        data={"class_names": tuple(map(str, range(1000)))},
        model={"name": "mobilenet_v2"},
        inputs={"image_size": SIZE, "resize": "center_crop", "short": 256},
    )
    task = tasks.build(config)
    images = [task.prepare_eval({"encoded": tf.constant(p.read_bytes())}) for p in paths]
    logits = _logits(net, [image["image"].numpy() for image in images])
    torchvisions = _logits(net, [_pillow(p, upright=True, rounded=False) for p in paths])
    top = (logits.argmax(1) == truth).sum()
    print(f"top-1 {top} of {len(paths)}; largest difference of a logit, by photo:")
    for name, other in (("torchvision's pixels", torchvisions), ("the reference", expected)):
        difference = np.abs(logits - other).max(1)
        print(f"to {name}: median {np.median(difference):.3f}, largest {difference.max():.3f}")
    assert top >= 64
    # Pillow rounds to whole grey levels after each of its two passes, ours never.
    assert np.median(np.abs(logits - torchvisions).max(1)) <= 0.3
    assert (logits.argmax(1) == torchvisions.argmax(1)).mean() >= 0.95
