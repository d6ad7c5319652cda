"""Small segmenters learn four CamVid frames by heart; overfit.py does it for any network.

At 96 x 128 the logits of stride 8 are 12 x 16, too coarse for the frames' poles and signs, so the
networks without a decoder get larger frames.
"""

import importlib.util
import pathlib

import pytest

pytestmark = pytest.mark.slow
LEAST = 0.95
SMALLEST, SMALLER, SIZE, LARGER = (48, 64), (72, 96), (96, 128), (144, 192)
# name -> size of the frames, steps at most, options of `overfit.accuracy`
SMALL = {
    "fc_densenet_small": (SMALLEST, 250, {"dropout": 0.0}),
    "deeplab_v1_small": (LARGER, 300, {"dropout": 0.0}),
    "deeplab_v2_resnet18": (SIZE, 250, {"width": 16}),
    "deeplab_v3_resnet18": (LARGER, 250, {"width": 16, "output_stride": 8, "rate": 5e-3}),
    "deeplab_v3plus_resnet18": (SMALLER, 250, {"width": 16, "dropout": 0.0}),
    "deeplab_v3plus_mobilenet_v2": (SMALLER, 200, {"width": 16, "rate": 5e-3}),
}


@pytest.fixture(scope="module")
def overfit():
    path = pathlib.Path(__file__).with_name("overfit.py")
    spec = importlib.util.spec_from_file_location("overfit", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("model", SMALL)
def test_four_frames_are_learnt_by_heart(model, overfit, shared_data):
    size, steps, options = SMALL[model]
    images, labels = overfit.frames(shared_data / "seg_camvid", size)
    found, _ = overfit.accuracy(model, images, labels, steps=steps, goal=LEAST, **options)
    assert found > LEAST
