"""`datasets.load`: what a Keras model is fed, by task, in the Trainer's order."""

import class_folders
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import config as configs
from tfvision import datasets, errors, schema, sources, tasks
from tfvision.inputs import pipeline
from tfvision.records import writer

pytestmark = pytest.mark.addons


@pytest.fixture(scope="module")
def shades(tmp_path_factory):
    """Ten plain images of 8 x 8 pixels: 60 to 64 are dark, 190 to 194 light."""
    folder = tmp_path_factory.mktemp("shades")
    class_folders.write(folder / "photos", {"": 5}, class_folders.steps(8))
    datasets.convert(format="folder", images=folder / "photos", output=folder / "records")
    return folder / "records"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two images of 8 x 12 pixels with an object, its mask and a label map; in the second two."""
    folder = tmp_path_factory.mktemp("scenes")
    image = np.zeros((8, 12, 3), np.uint8)
    label_map = np.zeros((8, 12), np.uint8)
    label_map[:, 6:] = 1
    label_map[0] = schema.VOID
    Image.fromarray(label_map).save(folder / "map.png")
    samples = []
    for i in range(2):
        Image.fromarray(image).save(folder / f"{i}.png")
        objects = [schema.Object(1, (2, 3, 6, 9), [[3, 2, 9, 2, 9, 6, 3, 6]])]
        objects += [schema.Object(0, (0, 0, 8, 12), [[0, 0, 6, 0, 6, 8, 0, 8]])] * i
        where = schema.LabelMap(str(folder / "map.png"))
        path = str(folder / f"{i}.png")
        samples.append(schema.Sample(path, f"{i}.png", str(i), objects=objects, label_map=where))
    source = sources.Source(["cat", "dog"], ("objects", "masks", "label_map"), samples)
    writer.write(source, str(folder / "records"), writer.Options())
    return folder / "records"


def firsts(batches):
    """The first pixel of every image, by batch."""
    return [images.numpy()[:, 0, 0, 0].astype(int).tolist() for images, _ in batches]


def test_passes_go_through_the_trainers_stream(shades):
    options = {"image_size": 8, "batch_size": 4, "augment": ["color_jitter"], "seed": 3}
    batches = datasets.load(shades, **options)
    assert len(batches) == 2
    passes = [images.numpy() for _ in range(3) for images, _ in batches]
    config = configs.config(
        seed=3,
        data={"path": str(shades)},
        inputs={"image_size": 8, "resize": "stretch", "augment": ({"name": "color_jitter"},)},
    )
    task, data = tasks.build(config), datasets.info(shades)
    order = pipeline.Order(data.files("train"), 10, 4, seed=3)
    stream = pipeline.train(order, task.fields, task.prepare_train).take(6)
    np.testing.assert_array_equal(passes, [batch["image"].numpy() for batch in stream])
    later = datasets.load(shades, initial_epoch=2, **options)
    np.testing.assert_array_equal([images.numpy() for images, _ in later], passes[4:])


def test_evaluation_has_every_image_once_and_no_padding(shades):
    batches = datasets.load(shades, image_size=8, batch_size=4, training=False)
    assert (len(batches), batches.class_names) == (3, ["dark", "light"])
    seen = firsts(batches)
    assert [len(batch) for batch in seen] == [4, 4, 2]
    assert sorted(np.concatenate(seen)) == [*range(60, 65), *range(190, 195)]
    assert firsts(batches) == seen
    for images, labels in batches:
        np.testing.assert_array_equal(labels, images[:, 0, 0, 0] > 100)


def test_a_keras_model_is_fitted_on_either_form_of_labels(shades):
    losses = []
    for mode, loss in (
        ("int", keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        ("one_hot", keras.losses.CategoricalCrossentropy(from_logits=True)),
    ):
        layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
        layers.append(keras.layers.Dense(2, kernel_initializer="zeros"))
        model = keras.Sequential([keras.layers.Input((8, 8, 3)), *layers])
        model.compile("sgd", loss)
        options = {"image_size": 8, "batch_size": 5, "label_mode": mode}
        data = datasets.load(shades, training=False, **options)
        first = model.evaluate(data, verbose=0)
        assert first == pytest.approx(np.log(2), rel=1e-5)
        model.fit(datasets.load(shades, **options), epochs=3, shuffle=False, verbose=0)
        losses.append(model.evaluate(data, verbose=0))
        assert losses[-1] < first
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_labels_may_be_several(shades):
    for images, labels in datasets.load(shades, image_size=8, label_mode="multi_hot"):
        light = images[:, 0, 0, 0] > 100
        np.testing.assert_array_equal(labels, tf.stack([~light, light], axis=1))
        assert labels.dtype == tf.float32


def test_segmentation_gives_label_maps_with_void(scenes):
    ((images, maps),) = datasets.load(scenes, task="segmentation", image_size=(4, 6), batch_size=2)
    assert (images.shape, images.dtype, maps.dtype) == ((2, 4, 6, 3), tf.float32, tf.int32)
    # Row 0 of the map is row 1 of the original.
    np.testing.assert_array_equal(maps, [[[0, 0, 0, 1, 1, 1]] * 4] * 2)
    maps = next(iter(datasets.load(scenes, task="segmentation", image_size=(8, 12), batch_size=2)))
    assert np.unique(maps[1][:, 0]).tolist() == [schema.VOID]


@pytest.mark.parametrize("training", [True, False])
def test_boxes_are_in_pixels_of_the_batch_and_padded(scenes, training):
    options = {"image_size": (16, 24), "batch_size": 2, "training": training}
    ((images, targets),) = datasets.load(scenes, task="detection", **options)
    assert (images.shape, sorted(targets)) == ((2, 16, 24, 3), ["boxes", "class_ids", "frame"])
    order = np.argsort(targets["class_ids"][:, 1])  # -1: the first image, whose place is empty
    np.testing.assert_array_equal(targets["class_ids"].numpy()[order], [[1, -1], [1, 0]])
    boxes = targets["boxes"].numpy()[order]
    np.testing.assert_allclose(boxes, [[[4, 6, 12, 18], [0] * 4], [[4, 6, 12, 18], [0, 0, 16, 24]]])
    np.testing.assert_array_equal(targets["frame"][0], [8, 12, 2, 2, 0, 0])


def test_masks_are_in_the_frames_of_their_boxes(scenes):
    options = {"image_size": 16, "batch_size": 2, "training": False, "mask_size": 4}
    ((_, targets),) = datasets.load(scenes, task="instance", **options)
    assert (targets["masks"].shape, targets["masks"].dtype) == ((2, 2, 4, 4), tf.uint8)
    full = int(np.argmax(targets["class_ids"][:, 1]))
    np.testing.assert_array_equal(targets["masks"][full], [[[1] * 4] * 4, [[1, 1, 0, 0]] * 4])


def test_evaluation_sees_the_pixels_that_the_evaluator_sees(scenes):
    options = {"image_size": 32, "resize": "letterbox"}
    ((images, _),) = datasets.load(scenes, task="detection", training=False, **options)
    model = {"name": "faster_rcnn_resnet50_fpn"}
    config = configs.config(
        task="detection", model=model, inputs=options, data={"path": str(scenes)}
    )
    task, data = tasks.build(config), datasets.info(scenes)
    evaluated = pipeline.evaluation(
        data.files("train"), task.fields, task.prepare_eval, batch_size=2
    )
    np.testing.assert_array_equal(images, next(iter(evaluated))["image"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augment": ["flip"]}, r"^unknown augment\[0\]: augmentation 'flip'"),
        ({"augment": [{"name": "blur", "sgima": 1}]}, r"augment\[0\].*no option 'sgima'"),
        ({"image_sise": 8}, "datasets.load has no option 'image_sise'"),
        ({"resize": "strech"}, "did you mean 'stretch'"),
        ({"task": "detection"}, "has no objects, which task 'detection' needs"),
        ({"task": "detektion"}, "unknown task 'detektion'; did you mean 'detection'"),
        ({"split": "valid"}, "there is no split 'valid'"),
        ({"label_mode": "onehot"}, "unknown label_mode 'onehot'; did you mean 'one_hot'"),
        ({"mix": "mixup"}, "give label_mode='one_hot' with it"),
        ({"batch_size": 0}, "^batch_size is 0"),
        ({"initial_epoch": -1}, "^initial_epoch is -1; it must be a whole number from 0"),
        ({"training": False, "augment": ["blur"]}, "augment is for training; leave it out"),
    ],
)
def test_wrong_options_are_named_as_they_were_given(shades, options, message):
    with pytest.raises(errors.TfvisionError, match=message):
        datasets.load(shades, **options)


def test_a_task_is_asked_for_where_the_records_are_for_several(scenes):
    with pytest.raises(errors.UsageError, match="is for segmentation or detection or instance"):
        datasets.load(scenes)
    with pytest.raises(errors.UsageError, match="label_mode is for task 'classification'"):
        datasets.load(scenes, task="segmentation", label_mode="one_hot")
