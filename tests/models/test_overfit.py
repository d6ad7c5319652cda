"""Small segmenters learn four CamVid frames by heart; overfit.py does it for any network.

Not here: deeplab_v1_small and deeplab_v3_resnet18, which came to 0.94 and 0.95 in 200 steps: at
96 x 128 their logits are 12 x 16, too coarse for the frames' poles and signs.
"""

import importlib.util
import pathlib

import pytest

pytestmark = pytest.mark.slow
LEAST = 0.95
SMALL = {
    "fc_densenet_small": {"dropout": 0.0},
    "deeplab_v2_resnet18": {"width": 16},
    "deeplab_v3plus_resnet18": {"width": 16, "dropout": 0.0},
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
    images, labels = overfit.frames(shared_data / "seg_camvid")
    found = overfit.accuracy(model, images, labels, steps=250, **SMALL[model])
    assert found > LEAST
