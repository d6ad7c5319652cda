import class_folders
import numpy as np
import pytest
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, losses, tasks
from tfvision.inputs import mixing, pipeline
from tfvision.records import dataset

SEED = tf.constant([3, 5], tf.int64)
BATCH = {
    "image": tf.constant([0.0, 100.0, 200.0])[:, None, None, None] * tf.ones([3, 4, 5, 3]),
    "labels": tf.constant([0, 1, 2]),
    "valid": tf.ones([3], tf.bool),
}


@pytest.mark.addons
def test_mixup_mixes_pixels_and_labels_by_the_same_share():
    found = mixing._mixup(BATCH, 4, tf.constant(0.75))
    # each with the one before it, the first with the last
    np.testing.assert_allclose(found["image"][:, 0, 0, 0], [50.0, 75.0, 175.0])
    wanted = [[0.75, 0, 0.25, 0], [0.25, 0.75, 0, 0], [0, 0.25, 0.75, 0]]
    np.testing.assert_allclose(found["labels"], wanted)


@pytest.mark.addons
def test_cutmix_takes_a_rectangle_and_counts_its_pixels():
    found = mixing._cutmix(BATCH, 3, tf.constant([1, 0]), tf.constant([3, 2]))
    wanted = np.full([4, 5], 100.0)
    wanted[1:3, 0:2] = 0.0
    np.testing.assert_array_equal(found["image"][1, ..., 0], wanted)
    np.testing.assert_allclose(found["labels"][1], [0.2, 0.8, 0.0])  # 4 of 20 pixels


@pytest.mark.addons
@pytest.mark.parametrize("name", mixing.MIXES)
def test_labels_keep_their_mass_and_agree_with_the_pixels_in_both_modes(name):
    mix = mixing.build({"name": name}, 3)
    seen = set()
    for index in range(20):
        seed = tf.constant([1, index], tf.int64)
        found = mix(BATCH, seed, 0)
        mapped = next(iter(tf.data.Dataset.from_tensors(BATCH).map(lambda b, s=seed: mix(b, s, 0))))
        np.testing.assert_allclose(mapped["image"], found["image"], atol=1e-3)
        np.testing.assert_allclose(mapped["labels"], found["labels"], atol=1e-6)
        assert mapped["image"].shape == BATCH["image"].shape
        np.testing.assert_allclose(tf.reduce_sum(found["labels"], axis=1), 1.0, rtol=1e-6)
        means = found["labels"].numpy() @ [0.0, 100.0, 200.0]
        np.testing.assert_allclose(tf.reduce_mean(found["image"], [1, 2, 3]), means, atol=1e-2)
        seen.add(float(found["labels"][0, 0]))
    assert len(seen) > 5


def test_several_labels_an_image_are_mixed_as_they_are():
    labels = tf.constant([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    found = mixing._mixup({**BATCH, "labels": labels}, 2, tf.constant(0.5))
    np.testing.assert_allclose(found["labels"], [[0.5, 0.5], [0.5, 1.0], [0.0, 0.5]])


def test_wrong_names_and_options_of_a_mix_are_refused():
    assert mixing.build({"name": ""}, 3) is None
    with pytest.raises(errors.UsageError, match="did you mean 'mixup'"):
        mixing.build({"name": "mixupp"}, 3)
    with pytest.raises(errors.UsageError, match="no option 'alhpa'; did you mean 'alpha'"):
        mixing.build({"name": "mixup", "alhpa": 1.0}, 3)(BATCH, SEED, 0)


def test_losses_of_mixed_labels_are_mixtures_of_losses():
    logits = tf.constant([[1.0, -2.0, 0.5]])
    first, second = tf.constant([[1.0, 0, 0]]), tf.constant([[0, 0, 1.0]])
    for loss in (losses.cross_entropy, losses.binary_cross_entropy, losses.focal):
        mixed = loss(logits=logits, targets=0.3 * first + 0.7 * second)
        parts = [loss(logits=logits, targets=targets) for targets in (first, second)]
        wanted = 0.3 * parts[0] + 0.7 * parts[1]
        np.testing.assert_allclose(mixed, wanted, rtol=1e-5)


def square(value, count=1):
    return {
        "image": tf.fill([6, 6, 3], float(value)),
        "boxes": tf.constant([[1.0, 2.0, 5.0, 6.0]])[:count],
        "class_ids": tf.constant([value], tf.int64)[:count],
        "masks": tf.ones([count, 6, 6], tf.uint8),
        "label_map": tf.fill([6, 6], value),
    }


@pytest.mark.addons
def test_a_mosaic_puts_four_samples_round_one_point():
    samples = [square(1), square(2), square(3, count=0), square(4)]

    def make(seed):
        return mixing.mosaic(samples, seed, size=(8, 12), middle=(0.5, 0.5), color=0.0)

    found = make(SEED)
    mapped = next(iter(tf.data.Dataset.from_tensors(SEED).map(make)))
    tf.nest.map_structure(np.testing.assert_array_equal, found, mapped)
    wanted = np.repeat(np.repeat([[1, 2], [3, 4]], 4, axis=0), 6, axis=1)
    np.testing.assert_array_equal(found["label_map"], wanted)  # the point is (4, 6)
    np.testing.assert_array_equal(found["image"][..., 0], wanted)
    # Above the point the lower four of six rows are seen, so the first moves up by two.
    np.testing.assert_array_equal(found["boxes"], [[0, 2, 3, 6], [0, 8, 3, 12], [5, 8, 8, 12]])
    np.testing.assert_array_equal(found["class_ids"], [1, 2, 4])
    np.testing.assert_array_equal(found["masks"][1], wanted == 2)


def test_a_mosaic_fills_what_small_samples_leave_and_drops_what_it_cuts():
    small = {
        "image": tf.fill([2, 2, 3], 9.0),
        "boxes": tf.constant([[0.0, 0.0, 2.0, 2.0]]),
        "label_map": tf.ones([2, 2], tf.int32),
    }
    found = mixing.mosaic([small] * 4, SEED, size=(6, 6), middle=(0.5, 0.5), color=1.0)
    assert int(tf.reduce_sum(tf.cast(found["label_map"] == 255, tf.int32))) == 36 - 16
    np.testing.assert_array_equal(found["boxes"][0], [1, 1, 3, 3])
    np.testing.assert_array_equal(found["image"][0, 0], [1, 1, 1])


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixing")
    class_folders.write(folder / "images", {"train": 4}, class_folders.noise(12, 14), "abc")
    return str(class_folders.convert(folder / "images", folder / "records", ["train"]))


def batches(records, steps, start=0, head="softmax", **mix):
    config = configs.config(
        data={"path": records},
        head=head,
        inputs={"image_size": (8, 8), "resize": "stretch", "mix": {"name": "", **mix}},
    )
    task = tasks.build(config)
    data = dataset.read(records)
    made = pipeline.train(
        pipeline.Order(data.files("train"), 12, 4, seed=1),
        task.fields,
        task.prepare_train,
        start_step=start,
        mix=task.mix,
    )
    return task, list(made.take(steps))


@pytest.mark.addons
@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_the_pipeline_mixes_by_step_so_that_going_on_gives_the_same(records, head):
    task, found = batches(records, 4, head=head, name="mixup_or_cutmix")
    _, later = batches(records, 2, start=2, head=head, name="mixup_or_cutmix")
    for one, other in zip(found[2:], later, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)
    assert found[0]["labels"].shape == (4, 3)
    loss = task.losses(found[0], {"class_logits": tf.zeros([4, 3])})["class"]
    np.testing.assert_allclose(loss, np.log(3 if head == "softmax" else 2), rtol=1e-5)


def test_what_is_mixed_is_the_batch_that_there_was_without_a_mix(records):
    _, plain = batches(records, 2)
    _, mixed = batches(records, 2, name="mixup")
    assert plain[0]["labels"].dtype == tf.int32
    assert not np.array_equal(plain[0]["image"], mixed[0]["image"])
    before, partner = plain[0]["image"], tf.roll(plain[0]["image"], 1, axis=0)
    share = ((mixed[0]["image"] - partner) / (before - partner))[0, 0, 0, 0]
    labels = tf.one_hot(plain[0]["labels"], 3)
    wanted = share * labels + (1.0 - share) * tf.roll(labels, 1, axis=0)
    np.testing.assert_allclose(mixed[0]["labels"], wanted, atol=1e-4)
