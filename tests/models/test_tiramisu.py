"""FC-DenseNet: the published counts and widths, what the way up is made of, odd sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, layers
from tfvision.architectures import tiramisu

TINY = {"blocks": (2, 1, 3, 1, 2), "growth": 2, "width": 3, "num_classes": 4}


def build(size, name="fc_densenet_small", **options):
    image = keras.Input((*size, 3), name="image")
    return keras.Model(image, tiramisu.TIRAMISU[name](image, **options))


def pictures(size):
    return np.random.default_rng(0).uniform(0, 255, (2, *size, 3)).astype(np.float32)


@pytest.mark.addons
@pytest.mark.parametrize(
    ("name", "trainable", "total"),
    [
        ("fc_densenet56", 1_376_795, 1_397_963),
        ("fc_densenet67", 3_463_243, 3_502_923),
        ("fc_densenet103", 9_322_091, 9_425_163),
    ],
)
def test_as_many_values_as_in_the_authors_network(name, trainable, total):
    model = build((32, 32), name, num_classes=11)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == trainable
    assert model.count_params() == total


def test_the_widths_of_103_are_the_papers_table_corrected():
    model = build((32, 32), "fc_densenet103", num_classes=11)

    def width(block, count):
        return model.get_layer(f"{block}.{count - 1}.bn").output.shape[-1] + 16

    down = [width(f"down{i + 1}", count) for i, count in enumerate((4, 5, 7, 10, 12))]
    assert down == [112, 192, 304, 464, 656]  # Table 2
    assert width("bottleneck", 15) == 896
    up = [width(f"up{i + 1}", count) for i, count in enumerate((12, 10, 7, 5, 4))]
    assert up == [1088, 816, 576, 384, 256]
    # only what the last block has added goes up: 15, 12, 10, 7, 5 layers of 16
    enlarged = [model.get_layer(f"up{i}.transition").filters for i in range(1, 6)]
    assert enlarged == [240, 192, 160, 112, 80]


def test_a_transition_up_takes_the_new_features_alone():
    model = build((9, 8), **TINY, dropout=0.0)

    def values(*names):
        outputs = [model.get_layer(name).output for name in names]
        return keras.Model(model.input, outputs)(pictures((9, 8)), training=False)

    *layers_of_three, new = values(*(f"bottleneck.{i}.conv" for i in range(3)), "bottleneck.new")
    np.testing.assert_allclose(new, tf.concat(layers_of_three, -1), atol=1e-6)
    skip, joined = values("down2.0.out", "up1.in")
    enlarged = model.get_layer("up1.transition")(new)
    np.testing.assert_allclose(joined, tf.concat([enlarged, skip], -1), atol=1e-5)


@pytest.mark.addons
@pytest.mark.parametrize("size", [(8, 9), (13, 10), (4, 31)])
def test_logits_have_the_images_size_whatever_it_is(size):
    model = build(size, **TINY)
    logits = model(pictures(size), training=False)["class_logits"]
    assert logits.shape == (2, *size, 4)
    assert logits.dtype == tf.float32
    assert np.isfinite(logits).all()


@pytest.mark.addons
def test_weights_are_shared_between_sizes_by_name():
    small = build((8, 8), **TINY)
    with layers.sharing(small):
        large = build((13, 10), **TINY)
    assert [id(v) for v in small.variables] == [id(v) for v in large.variables]


def test_kernels_start_uniform_by_fan_in_as_the_authors_do():
    model = build((32, 32), "fc_densenet_small", num_classes=11)
    for name in ("bottleneck.0.conv", "up1.transition"):
        kernel = np.array(model.get_layer(name).kernel)
        limit = np.sqrt(6 / (9 * kernel.shape[2]))
        assert 0.98 * limit < np.abs(kernel).max() <= limit
        assert abs(kernel.std() - limit / np.sqrt(3)) < 0.03 * limit
    assert not np.array(model.get_layer("conv0").bias).any()


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((7, 64), {}, "of 3 poolings needs images of 8 x 8 or larger; image_size is 7 x 64"),
        ((64, 64), {"blocks": (4, 4)}, r"blocks are \(4, 4\); .* odd number"),
        ((64, 64), {"blocks": (4, 0, 4)}, "of 1 or more"),
        ((64, 64), {"blocks": ()}, "odd number"),
        ((64, 64), {"activation": "gelus"}, "did you mean 'gelu'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(size, options, message):
    with pytest.raises(errors.UsageError, match=message):
        build(size, num_classes=3, **options)
