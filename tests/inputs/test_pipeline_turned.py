import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import config as configs
from tfvision import errors, schema, sources, tasks, training
from tfvision.inputs import orientation, pipeline
from tfvision.records import dataset, example, writer


def write(folder, sides):
    """Two shards of records that have nothing but an id, 0, 1, ..., and sides (height, width)."""
    files = [str(folder / f"shard-{number}") for number in range(2)]
    for number, file in enumerate(files):
        with tf.io.TFRecordWriter(file) as shard:
            for index in range(number, len(sides), 2):
                height, width = sides[index]
                values = {
                    schema.FIELDS["source_id"].keys[0]: ("string", [str(index).encode()]),
                    schema.FIELDS["height"].keys[0]: ("int64", [height]),
                    schema.FIELDS["width"].keys[0]: ("int64", [width]),
                }
                shard.write(example.serialize(values))
    return files


def prepare(record):
    number = tf.strings.to_number(record["source_id"], tf.int32)
    return {"id": number, "portrait": record.get("portrait", tf.constant(False))}


def batches(files, records, steps, batch, start_step=0, **options):
    """[(ids of a batch, the orientation it was told)], as Python numbers."""
    names = ("worker", "workers", "replicas")
    workers = {key: options.pop(key) for key in names if key in options}
    options = {"seed": 5, "aspect_ratio_grouping": True, **options}
    order = pipeline.Order(files, records, batch, **options)
    made = pipeline.train(order, (), prepare, start_step=start_step, **workers)
    found = [(b["id"].numpy().tolist(), b["portrait"].numpy()) for b in made.take(steps)]
    assert all(len(set(told)) == 1 for _, told in found)
    return [(ids, bool(told[0])) for ids, told in found]


def mixed(found, portraits):
    """How many batches have images of both orientations."""
    return sum(0 < sum(i in portraits for i in ids) < len(ids) for ids, _ in found)


@pytest.mark.addons
def test_without_the_setting_the_order_is_what_it_was(tmp_path):
    files = write(tmp_path, [(4, 6), (6, 4)] * 5 + [(4, 6)])
    found = batches(files, 11, 6, 4, seed=3, shuffle_buffer=8, aspect_ratio_grouping=False)
    assert [ids for ids, _ in found] == [  # of the pipeline before there was a setting
        *([6, 0, 7, 1], [5, 3, 2, 4], [9, 10, 8, 1], [0, 2, 4, 7], [5, 3, 6, 8], [9, 10, 1, 7])
    ]


@pytest.mark.addons
def test_a_window_becomes_batches_of_one_orientation():
    flags = np.zeros(10, bool)
    flags[[1, 4, 7]] = True
    # Two records end a batch, two begin one; in between, three landscapes and three portraits.
    found = orientation.order(flags, 2, 3, [0, 1]).numpy().tolist()
    assert found[:2] == [0, 2]
    assert found[8:] == [3, 5]
    assert sorted([found[2:5], found[5:8]]) == [[1, 4, 7], [6, 8, 9]]
    places = {tuple(orientation.order(flags, 2, 3, [0, seed]).numpy()) for seed in range(9)}
    assert len(places) == 2  # which of the two comes first is random


@pytest.mark.addons
def test_a_square_image_is_a_landscape_and_a_tie_is_one_too(tmp_path):
    files = write(tmp_path, [(5, 5), (6, 5), (5, 6)])
    records = [record for file in files for record in tf.data.TFRecordDataset(file)]
    assert orientation.portrait(tf.stack(records)).numpy().tolist() == [False, False, True]
    assert not orientation.most(tf.constant([True, False]))
    assert orientation.most(tf.constant([True, False, True]))


@pytest.mark.addons
@pytest.mark.parametrize(
    ("count", "batch", "window"),
    [(24, 4, 24), (23, 4, 100), (23, 5, 23), (23, 4, 10), (7, 3, 2), (3, 5, 9), (9, 1, 4)],
)
def test_an_epoch_has_every_record_once_in_batches_of_one_orientation(
    tmp_path, count, batch, window
):
    portraits = set(range(0, count, 3))
    files = write(tmp_path, [(6, 4) if i in portraits else (4, 6) for i in range(count)])
    epochs = 4
    found = batches(files, count, epochs * count // batch, batch, shuffle_buffer=window)
    ids = [i for one, _ in found for i in one]
    orders = [ids[start : start + count] for start in range(0, len(ids) - count + 1, count)]
    assert all(sorted(order) == list(range(count)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1 or window < batch
    assert all(told == (2 * sum(i in portraits for i in one) > batch) for one, told in found)
    windows = epochs * -(-count // window)
    assert mixed(found, portraits) <= (windows if window >= count else 2 * windows)
    if window >= count and batch > 1 and count > 2 * batch:
        plain = batches(
            files, count, len(found), batch, shuffle_buffer=window, aspect_ratio_grouping=False
        )
        assert mixed(plain, portraits) > 2 * mixed(found, portraits)


def test_batches_that_divide_both_orientations_are_never_mixed(tmp_path):
    files = write(tmp_path, [(6, 4)] * 4 + [(4, 6)] * 8)
    found = batches(files, 12, 9, 4)
    assert sum(told for _, told in found) == 3
    assert mixed(found, set(range(4))) == 0
    places = [[told for _, told in found[i : i + 3]].index(True) for i in (0, 3, 6)]
    assert len(set(places)) > 1


def test_going_on_at_any_step_gives_the_same_batches_and_their_names(tmp_path):
    files = write(tmp_path, [(6, 4) if i % 3 else (4, 6) for i in range(11)])
    options = {"shuffle_buffer": 6}
    whole = batches(files, 11, 9, 4, **options)
    for step in (1, 3, 6):  # 4, 12 and 24: inside epochs 0, 1 and 2, batches across their ends
        assert batches(files, 11, 9 - step, 4, start_step=step, **options) == whole[step:]
    for step in (2, 5):
        order = pipeline.Order(files, 11, 4, seed=5, aspect_ratio_grouping=True, **options)
        names = pipeline.source_ids(order, step)
        assert [int(name) for name in names] == whole[step][0]


def test_workers_share_a_batch_and_its_orientation(tmp_path):
    files = write(tmp_path, [(6, 4) if i % 3 else (4, 6) for i in range(10)])
    whole = batches(files, 10, 6, 4)
    parts = [batches(files, 10, 6, 4, worker=w, workers=2) for w in (0, 1)]
    for (ids, told), (even, one), (odd, other) in zip(whole, *parts, strict=True):
        assert (ids[::2], ids[1::2]) == (even, odd)
        assert told == one == other
    halves = batches(files, 10, 12, 4, worker=1, workers=2, replicas=2)
    assert [ids for ids, _ in halves] == [[i] for ids, _ in whole for i in ids[1::2]]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_workers_evaluate_the_batches_of_one_in_turn(tmp_path, count):
    files = write(tmp_path, [(4, 4)] * 10)

    def rows(number, workers):
        made = pipeline.evaluation(files, (), prepare, batch_size=3, worker=number, workers=workers)
        return [(b["id"].numpy().tolist(), b["valid"].numpy().tolist()) for b in made]

    whole = rows(0, 1)
    assert whole[-1] == ([9, 0, 0], [True, False, False])
    for number in range(count):
        assert rows(number, count) == whole[number::count]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """7 landscapes of 16 x 32 and 4 portraits of 32 x 16, each with one object, 8 x 4 pixels at
    (4, 2), of which the left half belongs to it; and two for validation."""
    folder = tmp_path_factory.mktemp("scenes")
    for split, count in (("train", 11), ("val", 2)):
        place = folder / split
        place.mkdir()
        images, objects = [], []
        for i in range(count):
            height, width = (32, 16) if i % 3 == 1 else (16, 32)
            Image.fromarray(np.full((height, width, 3), 9 * i, np.uint8)).save(place / f"{i}.png")
            images.append({"id": i, "file_name": f"{i}.png", "height": height, "width": width})
            objects.append(
                {"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "area": 16,
                 "bbox": [2, 4, 4, 8], "segmentation": [[2, 4, 4, 4, 4, 12, 2, 12]]}
            )  # fmt: skip
        content = {"images": images, "annotations": objects}
        content["categories"] = [{"id": 1, "name": "thing"}]
        (folder / f"{split}.json").write_text(json.dumps(content))
        source = sources.FORMATS["coco"](str(place), str(folder / f"{split}.json"), split=split)
        writer.write(source, str(folder / "records"), writer.Options(split=split))
    return str(folder / "records")


SMALL = {
    "name": "mask_rcnn_resnet18_fpn",
    "width": 16,  # oneDNN's strided 1 x 1 convolutions of 4 and 8 channels spoil the heap
    "channels": 8,
    "hidden": 16,
    "mask_widths": (8,),
    "anchor_sizes": ((12,), (24,), (48,), (64,), (90,)),
    "bn_frozen": False,
    "train_pre_nms": 40,
    "train_post_nms": 20,
    "anchor_samples": 32,
    "region_samples": 16,
    "pre_nms": 40,
    "post_nms": 20,
}
FASTER = {key: value for key, value in SMALL.items() if key != "mask_widths"}
FASTER["name"] = "faster_rcnn_resnet18_fpn"


def config(data, **changes):
    inputs = {"image_size": (64, 64), "train_size": (32, 64), "aspect_ratio_grouping": True}
    inputs |= {"resize": "short_side", "short": 32, "long": 64} | changes.pop("inputs", {})
    train = {"batch_size": 3, "steps": 5, "steps_per_call": 1, "precision": "float32"}
    train |= {"report_input": False, "eval_every": 100, "checkpoint_every": 2, "keep": 5}
    base = {"task": "instance", "model": SMALL, "detection": {"mask_size": 4}}
    return configs.config(
        **{**base, "data": {"path": data}, "inputs": inputs, "train": train, **changes}
    )


def test_image_boxes_and_masks_lie_on_the_canvas_of_their_batch(data):
    task = tasks.build(config(data))
    records = dataset.read(data)
    order = pipeline.Order(records.files("train"), 11, 3, seed=0, aspect_ratio_grouping=True)
    made = pipeline.train(order, task.fields, task.prepare_train)
    shapes = set()
    for batch in made.take(11):
        height, width = batch["image"].shape[1:3]
        shapes.add((height, width))
        for b, (rows, columns, scale, *rest) in enumerate(batch["frame"].numpy()):
            # Twice as large, but for the one whose batch is of the other orientation.
            assert scale == (2.0 if (rows > columns) == (height > width) else 1.0)
            assert rest == [scale, 0.0, 0.0]
            np.testing.assert_allclose(batch["boxes"][b], [np.array([4, 2, 12, 6]) * scale])
            np.testing.assert_array_equal(batch["masks"][b], [[[1, 1, 0, 0]] * 4])
    assert shapes == {(32, 64), (64, 32)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "classification"}, "not for 'classification'"),
        ({"task": "segmentation"}, "not for 'segmentation'"),
        ({"task": "detection", "model": {"name": "yolo_v3_small"}}, "not for yolo_v3_small"),
        ({"inputs": {"train_size": (64, 64)}}, "64 x 64 must be wider than tall"),
        ({"inputs": {"train_size": (64, 32)}}, "64 x 32 must be wider than tall"),
        ({"inputs": {"train_size": (32, 72)}}, "multiples of 32, such as 32 x 96"),
        ({"inputs": {"crop": {"name": "random_crop"}}}, "'random_crop' makes one of a fixed"),
        ({"inputs": {"augment": ({"name": "scale_crop"},)}}, "'scale_crop' makes one of a fixed"),
    ],
)
def test_where_there_can_be_no_second_canvas_it_says_so(data, changes, message):
    settings = config(data, **changes)
    if settings.task in ("classification", "segmentation"):
        settings.data.path, settings.data.class_names = "", ("thing",)
    with pytest.raises(errors.UsageError, match=message):
        tasks.build(settings)


@pytest.mark.parametrize("changes", [{"mix": {"name": "mosaic"}}, {"multi_scale": (32, 64, 32)}])
def test_what_makes_canvases_of_its_own_is_refused(data, changes):
    with pytest.raises(errors.UsageError, match="does not go with mix or multi_scale"):
        tasks.build(config(data, task="detection", model=FASTER, inputs=changes))


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_a_killed_run_goes_on_with_the_batches_it_had_before_in_one_trace(data, tmp_path):
    traces = []

    def trainer(place):
        settings = config(data, task="detection", model=FASTER)
        task = tasks.build(settings)
        made = task.losses

        def losses(batch, outputs, step):
            traces.append(batch["image"].shape.as_list())
            return made(batch, outputs)

        task.losses = losses
        return training.Trainer(task, settings, str(place))

    whole = trainer(tmp_path / "whole")
    whole.fit()
    shapes = {tuple(batch["image"].shape) for batch in whole.batches.dataset(0).take(5)}
    assert shapes == {(3, 32, 64, 3), (3, 64, 32, 3)}
    # One loss before the folder is made, then traced once, for both canvases.
    assert traces == [[2, 32, 64, 3], [3, None, None, 3]]
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    kept = tmp_path / "killed" / "checkpoints" / "step-00000002"
    for place in kept.parent.iterdir():
        if place != kept:
            shutil.rmtree(place)
    killed = trainer(tmp_path / "killed")
    assert killed.restore()
    assert int(killed.step) == 2
    killed.fit()
    assert int(killed.step) == 5
    for one, other in zip(whole.net.variables(), killed.net.variables(), strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))
