"""Bilinear resizing against torch's numbers, transposed convolution against a loop."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import layers

pytestmark = pytest.mark.addons
ORACLE = pathlib.Path(__file__).parents[1] / "oracles" / "ops"


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(34, 40), (9, 13)])
def test_bilinear_resizing_is_torchs(size, align_corners):
    with np.load(ORACLE / "layers.npz") as file:
        golden = file[f"resize_bilinear_{str(align_corners).lower()}_{size[0]}x{size[1]}"]
        x = file["x"].transpose(0, 2, 3, 1)
    assert "1e-5" in json.loads((ORACLE / "layers.json").read_text())["tolerance"]
    layer = layers.Resize(size, align_corners=align_corners)
    found = np.asarray(layer(x)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, golden, atol=1e-5 * np.abs(golden).max())
    assert layer.compute_output_shape(x.shape) == (1, *size, 3)


def test_corners_that_are_aligned_stay_and_others_are_extended():
    x = np.array([0.0, 1.0], np.float32).reshape(1, 1, 2, 1)
    aligned = layers.Resize((1, 4), align_corners=True)(x)
    np.testing.assert_allclose(np.ravel(aligned), [0, 1 / 3, 2 / 3, 1], atol=1e-6)
    np.testing.assert_allclose(np.ravel(layers.Resize((1, 4))(x)), [0, 0.25, 0.75, 1])


def test_one_pixel_is_repeated_and_an_equal_size_is_left_alone():
    pixel = np.array([3.0, 5.0], np.float32).reshape(1, 1, 1, 2)
    np.testing.assert_array_equal(layers.Resize((2, 3))(pixel), np.tile(pixel, (1, 2, 3, 1)))
    x = np.random.default_rng(0).normal(size=(1, 3, 2, 1)).astype(np.float32)
    np.testing.assert_array_equal(layers.Resize((3, 2))(x), x)


def test_resizing_keeps_bfloat16():
    x = tf.cast(np.random.default_rng(0).normal(size=(1, 3, 2, 1)), tf.bfloat16)
    assert layers.Resize((5, 4), dtype="bfloat16")(x).dtype == tf.bfloat16


def transposed(x, kernel):
    """Each pixel of [B, H, W, C] adds kernel [3, 3, F, C] times it at twice its place."""
    batch, height, width, _ = x.shape
    out = np.zeros((batch, 2 * height + 1, 2 * width + 1, kernel.shape[2]))
    for row in range(height):
        for column in range(width):
            patch = np.einsum("bc,hwfc->bhwf", x[:, row, column], kernel)
            out[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += patch
    return out


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (6, 9), (7, 8)])
def test_a_transposed_convolution_adds_its_kernel_up_and_is_cropped_at_the_end(size):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    layer = layers.Conv2DTranspose(2, size=size, use_bias=True)
    image = keras.Input((3, 4, 5))
    model = keras.Model(image, layer(image))
    layer.bias.assign([1.0, -2.0])
    expected = transposed(x, np.array(layer.kernel))[:, : size[0], : size[1]] + [1.0, -2.0]
    assert model.output.shape[1:] == (*size, 2)
    np.testing.assert_allclose(model(x), expected, atol=1e-5)


def test_a_size_that_does_not_halve_to_the_inputs_is_refused():
    layer = layers.Conv2DTranspose(2, size=(6, 10))
    with pytest.raises(ValueError, match="4 rows or columns cannot become 10"):
        layer(np.zeros((1, 3, 4, 5), np.float32))


def test_a_kernel_is_drawn_as_the_initializer_says():
    layer = layers.Conv2D(2, 3, initializer=keras.initializers.Constant(0.5))
    layer.build((None, 4, 4, 1))
    np.testing.assert_array_equal(np.array(layer.kernel), np.full((3, 3, 1, 2), 0.5))
    layer = layers.Conv2DTranspose(2, size=(8, 8), initializer=keras.initializers.Constant(0.5))
    layer.build((None, 4, 4, 1))
    np.testing.assert_array_equal(np.array(layer.kernel), np.full((3, 3, 2, 1), 0.5))


def test_a_pooled_image_keeps_its_axes_where_asked():
    x = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    kept = layers.GlobalAveragePool(keepdims=True)(x)
    np.testing.assert_array_equal(kept, [[[[3.0, 4.0]]]])
    np.testing.assert_array_equal(layers.GlobalAveragePool()(x), [[3.0, 4.0]])
