"""JPEGs decoded at a half, quarter or eighth: what moves, what stays, and what is served."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import config as configs
from tfvision import tasks
from tfvision.inputs import canvas, decode, geometry, scaled
from tfvision.net import Net
from tfvision.serving import exporter

pytestmark = pytest.mark.addons

SIZE = (203, 333)  # no multiples of 8


def smooth(size):
    """Waves of about 200 pixels in each channel, uint8 [H, W, 3]."""
    rows, columns = np.mgrid[: size[0], : size[1]] / 30.0
    waves = [np.sin(rows + columns / 2), np.cos(columns), np.sin(rows - columns)]
    return (127 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def encoded(pixels, kind="jpeg", orientation=None, **options):
    if orientation:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    if kind == "jpeg":
        options = {"quality": 98, "subsampling": 0, **options}
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return tf.constant(buffer.getvalue())


def inputs(**changes):
    return configs.config(inputs={"scaled_decoding": True, **changes}).inputs


@pytest.fixture
def ratios(monkeypatch):
    """The ratios that JPEGs were scaled by, where that is done op by op."""
    found, normal = [], scaled._jpeg

    def jpeg(data, factor, window=None):
        found.append(int(factor))
        return normal(data, factor, window)

    monkeypatch.setattr(scaled, "_jpeg", jpeg)
    tf.config.run_functions_eagerly(True)
    yield found
    tf.config.run_functions_eagerly(False)


def test_a_ratio_leaves_no_less_than_is_needed():
    def ratio(height, width):
        return int(scaled.ratio(tf.constant([height, width]), tf.constant([100, 50])))

    assert [ratio(199, 400), ratio(200, 100), ratio(200, 99)] == [1, 2, 1]
    assert [ratio(399, 199), ratio(400, 200), ratio(799, 900), ratio(800, 400)] == [2, 4, 4, 8]
    assert [ratio(5000, 5000), ratio(10, 10)] == [8, 1]


def test_twice_the_window_is_scaled_and_one_pixel_less_is_not(ratios):
    settings = inputs(resize="stretch")
    canvas.resize(
        canvas.whole({"encoded": encoded(smooth((64, 96)))}, settings), (32, 48), settings
    )
    assert ratios == [2]
    canvas.resize(
        canvas.whole({"encoded": encoded(smooth((63, 96)))}, settings), (32, 48), settings
    )
    canvas.resize(
        canvas.whole({"encoded": encoded(smooth((64, 95)))}, settings), (32, 48), settings
    )
    assert ratios == [2]


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("resize", canvas.RESIZES)
def test_every_resize_has_the_same_frame_and_nearly_the_same_pixels(resize, antialias):
    options = {"resize": resize, "short": 24, "long": 40, "antialias": antialias}
    whole, part = inputs(**options, scaled_decoding=False), inputs(**options)
    example = {"encoded": encoded(smooth(SIZE))}

    def run(settings):
        resize = canvas.resize
        return tf.function(lambda: resize(canvas.whole(example, settings), (24, 40), settings))()

    (expected, frame), (found, own) = run(whole), run(part)
    np.testing.assert_array_equal(own, frame)
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).mean() < (1.0 if antialias else 4.0)
    assert np.abs(np.mean(found - expected, axis=(0, 1))).max() < 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_are_upright_and_in_place(orientation):
    size = SIZE if orientation < 5 else SIZE[::-1]
    example = {"encoded": encoded(smooth(SIZE), orientation=orientation)}
    settings, whole = inputs(resize="stretch"), inputs(resize="stretch", scaled_decoding=False)
    found, frame = canvas.resize(canvas.whole(example, settings), (30, 31), settings)
    expected, _ = canvas.resize(canvas.whole(example, whole), (30, 31), whole)
    np.testing.assert_array_equal(frame[:2], size)
    assert np.abs(found - expected).mean() < 1.0
    # And so is a window: 6 times 20 pixels, so a quarter.
    pixels, part, ratio = scaled.crop(
        example, lambda h, w: tf.constant([33, 17, 120, 120]), lambda part: tf.constant([20, 20])
    )
    assert int(ratio) == 4
    assert np.abs(part - [33, 17, 120, 120]).max() <= 6
    np.testing.assert_array_equal(part[2:], 4 * np.array(pixels.shape[:2]))
    y, x, height, width = part.numpy()
    exact = decode.pixels(example).numpy()[y : y + height, x : x + width].astype(float)
    exact = exact.reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3))
    assert np.abs(pixels.numpy() - exact).mean() < 1.5


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_small_images_and_other_formats_are_as_without_the_option(kind):
    size = (31, 30) if kind == "jpeg" else (64, 96)
    example = {"encoded": encoded(smooth(size), kind)}
    example["seed"] = tf.constant([0, 1], tf.int64)
    for crop, training in (("random_share", True), ("", True), ("", False)):
        results = []
        for on in (True, False):
            settings = inputs(scaled_decoding=on, resize="letterbox", crop={"name": crop})
            sample = canvas.load(example, settings, training)
            results.append(canvas.fit(sample, (16, 16), settings))
        for key in ("image", "frame"):
            np.testing.assert_array_equal(results[0][key], results[1][key])


def test_decoded_pixels_are_taken_as_they_are():
    example = {"image": smooth((64, 96))}
    settings = inputs(resize="stretch")
    found, _ = canvas.resize(canvas.whole(example, settings), (8, 8), settings)
    whole = inputs(resize="stretch", scaled_decoding=False)
    np.testing.assert_array_equal(found, canvas.resize(example["image"], (8, 8), whole)[0])


def png(values):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def annotated(size):
    """A black picture with a white box 32..64 x 64..96, and all that says where it is."""
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[32:64, 64:96] = 255
    return {
        "encoded": encoded(pixels),
        "height": tf.constant(size[0], tf.int64),
        "width": tf.constant(size[1], tf.int64),
        "label_map": tf.constant(png(pixels[..., 0] // 255)),
        "masks": tf.constant([png(np.ones((32, 32)))]),
        "boxes": tf.constant([[32.0, 64.0, 64.0, 96.0]]),
        "area": tf.constant([1024.0]),
        "class_ids": tf.constant([3], tf.int64),
        "seed": tf.constant([0, 5], tf.int64),
    }


def test_boxes_masks_and_label_maps_lie_where_the_pixels_lie():
    example = annotated((128, 192))
    settings = inputs(resize="letterbox", image_size=(32, 48))
    evaluated = canvas.load(example, settings, False)
    np.testing.assert_array_equal(evaluated["boxes"], example["boxes"])
    trained = canvas.load(example, settings, True)
    assert trained["image"].shape == (32, 48, 3)  # a quarter
    np.testing.assert_array_equal(trained["boxes"], [[8, 16, 16, 24]])
    np.testing.assert_array_equal(trained["area"], [64])
    expected = np.zeros((32, 48))
    expected[8:16, 16:24] = 1
    np.testing.assert_array_equal(trained["masks"], [expected])
    for sample in (trained, evaluated):
        fitted = canvas.fit(sample, (32, 48), settings)
        np.testing.assert_array_equal(fitted["boxes"], [[8, 16, 16, 24]])
        np.testing.assert_array_equal(fitted["label_map"], expected)
        assert np.abs(fitted["image"][..., 0] / 255 - expected).max() < 0.1
    np.testing.assert_array_equal(fitted["frame"], [128, 192, 0.25, 0.25, 0, 0])


@pytest.mark.parametrize("crop", ["", "random_share"])
@pytest.mark.parametrize(
    "step",
    [
        {"name": "horizontal_flip", "probability": 1.0},
        {"name": "scale_jitter", "size": (40, 40), "scale": (0.5, 1.0)},
        {"name": "darknet_jitter", "size": (40, 40), "jitter": 0.2},
    ],
)
def test_training_moves_everything_together(crop, step):
    example = annotated((131, 197))
    settings = inputs(
        resize="letterbox",
        image_size=(40, 40),
        augment=(step,),
        crop={"name": crop, "share": (0.8, 0.9)} if crop else {"name": ""},
    )
    sample = canvas.fit(canvas.load(example, settings, True), (40, 40), settings)
    (top, left, bottom, right) = sample["boxes"][0].numpy()
    white = sample["image"][..., 0].numpy() > 190  # neither the box's soft edge nor the padding
    rows, columns = np.nonzero(white)
    bounds = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
    np.testing.assert_allclose(bounds, [top, left, bottom, right], atol=1.01)
    for values in (sample["masks"][0], sample["label_map"]):
        wrong = (values.numpy() == 1) != white
        assert wrong.sum() <= 2.5 * np.sqrt(white.sum())  # of about four sides


def test_reduced_annotations_by_hand():
    sample = {
        "image": np.zeros((2, 3, 3), np.uint8),
        "label_map": np.arange(24, dtype=np.uint8).reshape(4, 6),
        "boxes": np.array([[0.0, 2.0, 3.0, 6.0]], np.float32),
        "proposals": np.array([[1.0, 1.0, 4.0, 5.0]], np.float32),
        "area": np.array([12.0], np.float32),
        "class_ids": np.array([1]),
    }
    found = geometry.reduced(sample, tf.constant(2))
    np.testing.assert_array_equal(found["label_map"], [[7, 9, 11], [19, 21, 23]])
    np.testing.assert_array_equal(found["boxes"], [[0, 1, 1.5, 3]])
    np.testing.assert_array_equal(found["proposals"], [[0.5, 0.5, 2, 2.5]])
    np.testing.assert_array_equal(found["area"], [3])


def test_what_training_needs_by_hand():
    def needed(*steps, **changes):
        settings = inputs(resize="letterbox", image_size=(30, 40), augment=steps, **changes)
        return canvas._needed(settings)(tf.constant([400, 400])).numpy().tolist()

    assert needed() == [30, 30]
    assert needed({"name": "affine", "scale": (0.5, 1.5)}) == [45, 45]
    assert needed({"name": "scale_jitter", "size": (20, 30)}) == [40, 60]
    assert needed({"name": "scale_jitter", "size": (20, 30), "scale": (0.8, 1.25)}) == [25, 38]
    assert needed(train_size=(32, 48), aspect_ratio_grouping=True) == [48, 48]
    for name in ("scale_crop", "random_crop"):  # these count the image's own pixels
        step = {"name": name, "size": (20, 20)}
        assert canvas._needed(inputs(augment=(step,))) is None
        sample = canvas.load(annotated((128, 192)), inputs(augment=(step,)), True)
        assert sample["image"].shape == (20, 20, 3)


@pytest.mark.slow
@pytest.mark.usefixtures("checked_here")
def test_what_is_served_is_what_was_evaluated(tmp_path):
    config = configs.config(
        inputs={"image_size": (24, 16), "resize": "letterbox", "scaled_decoding": True},
        data={"class_names": ("a", "b", "c")},
    )
    task = tasks.build(config)
    image = keras.Input((24, 16, 3), name="image")
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(image / 255.0))
    model = keras.Model({"image": image}, {"class_logits": logits})
    net = Net(model, model)
    samples = [
        encoded(smooth(SIZE)).numpy(),
        encoded(smooth(SIZE), orientation=6).numpy(),
        encoded(smooth((20, 30)), "png").numpy(),
    ]
    # Raises where the signatures differ from what `prepare` and the net say, bytes or pixels.
    exporter.export(
        task,
        net,
        class_names=("a", "b", "c"),
        config_json=config.to_dict(),
        metrics={},
        output=str(tmp_path / "model"),
        samples=samples,
    )
    of_bytes = exporter.answers(task, net, samples)["scores"]
    of_pixels = exporter.answers(task, net, samples, decoded=True)["scores"]
    assert (np.abs(of_bytes - of_pixels).max(axis=1) > 1e-5).tolist() == [True, True, False]
    np.testing.assert_allclose(of_bytes, of_pixels, atol=0.01)
