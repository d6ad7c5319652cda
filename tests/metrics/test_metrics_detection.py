import io
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import errors, metrics, schema
from tfvision.metrics import detection_metrics, ground_truth
from tfvision.ops import masks

pytestmark = pytest.mark.addons
ORACLES = pathlib.Path(__file__).parents[1] / "oracles"
DTYPES = {"boxes": tf.float32, "class_ids": tf.int64, "area": tf.float32, "masks": tf.string}
SIZE = (60, 80)
BOX = [10.0, 20.0, 30.0, 60.0]  # y x y x


def serialized(name, values):
    return tf.io.serialize_tensor(tf.constant(values, DTYPES.get(name, tf.int64))).numpy()


def batch_of(truths, valid=None, names=None):
    """A batch as the detection task makes it: `truth/*` serialized."""
    truths = [{"size": SIZE, **own} for own in truths]
    keys = sorted({key for own in truths for key in own})
    names = names or [str(number) for number in range(len(truths))]
    return {
        "valid": np.array([True] * len(truths) if valid is None else valid),
        "source_id": np.array([name.encode() for name in names], object),
        **{
            f"truth/{key}": np.array([serialized(key, own[key]) for own in truths], object)
            for key in keys
        },
    }


def predictions_of(rows, most):
    """rows: for each image a list of (box, score, class id)."""
    made = {
        "boxes": np.zeros((len(rows), most, 4), np.float32),
        "scores": np.zeros((len(rows), most), np.float32),
        "class_ids": np.full((len(rows), most), -1, np.int32),
        "num_detections": np.array([len(row) for row in rows], np.int32),
    }
    for i, row in enumerate(rows):
        for j, (box, score, class_id) in enumerate(row):
            made["boxes"][i, j], made["scores"][i, j] = box, score
            made["class_ids"][i, j] = class_id
    return made


def one(boxes=(BOX,), class_ids=(0,), **more):
    return {"boxes": np.reshape(boxes, (-1, 4)), "class_ids": list(class_ids), **more}


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(file, "PNG")
    return file.getvalue()


def test_truth_survives_its_serialization():
    found = ground_truth.read(batch_of([one(area=[7.5], is_crowd=[1], masks=[b"png"])]), 0)
    np.testing.assert_array_equal(found["boxes"], [BOX])
    assert found["boxes"].dtype == np.float32
    assert found["size"] == SIZE
    assert found["masks"] == [b"png"]
    for name, values in (("class_ids", [0]), ("is_crowd", [1]), ("difficult", [0])):
        assert found[name].tolist() == values
    assert found["area"].tolist() == [7.5]


def test_truth_without_objects_and_without_optional_fields():
    empty = ground_truth.read(batch_of([one((), (), difficult=[], masks=[])]), 0)
    assert empty["boxes"].shape == (0, 4)
    assert [len(empty[k]) for k in ("class_ids", "is_crowd", "difficult", "masks")] == [0] * 4
    with pytest.raises(ValueError, match="2 of class_ids"):
        ground_truth.read(batch_of([one(class_ids=(0, 1))]), 0)


@pytest.mark.parametrize("whole", [True, False])
def test_a_mask_is_of_the_whole_image_or_of_its_box(whole):
    canvas = np.zeros(SIZE, np.uint8)
    canvas[10:30, 20:60] = np.eye(20, 40, dtype=np.uint8)
    part = canvas if whole else canvas[10:30, 20:60]
    found = ground_truth.run_lengths(png(part), np.array(BOX, np.float32), SIZE)
    np.testing.assert_array_equal(masks.from_rle(found), canvas)


def fed(metric, case, size=4):
    """An oracle's json, batch by batch, with an image that is not valid at the end."""
    ids = sorted(category["id"] for category in case["gt"]["categories"])
    places = {number: place for place, number in enumerate(ids)}
    truths, rows, names = [], [], []
    for entry in case["gt"]["images"]:
        own = [a for a in case["gt"]["annotations"] if a["image_id"] == entry["id"]]
        found = [d for d in case["dt"] if d["image_id"] == entry["id"]]
        boxes = [[y, x, y + h, x + w] for x, y, w, h in (a["bbox"] for a in own)]
        truths.append(
            one(
                boxes,
                [places[a["category_id"]] for a in own],
                is_crowd=[a["iscrowd"] for a in own],
                area=[a["area"] for a in own],
                size=[entry["height"], entry["width"]],
            )
        )
        boxes = [[y, x, y + h, x + w] for x, y, w, h in (d["bbox"] for d in found)]
        pairs = zip(found, boxes, strict=True)
        rows.append([(b, d["score"], places[d["category_id"]]) for d, b in pairs])
        names.append(str(entry["id"]))
    most = max(map(len, rows))
    extra = one(is_crowd=[0], area=[800.0])
    for start in range(0, len(truths), size):
        part = slice(start, start + size)
        valid = [True] * len(truths[part]) + [False]
        batch = batch_of([*truths[part], extra], valid, [*names[part], "none"])
        metric.update(batch, predictions_of([*rows[part], [(BOX, 0.99, 0)]], most))
    return metric


def coco_case(name):
    files = {
        kind: (ORACLES / "metrics_coco" / name / f"{kind}.json")
        for kind in ("gt", "dt", "expected")
    }
    return {kind: json.loads(path.read_text()) for kind, path in files.items()}


@pytest.mark.parametrize("name", ["mixed", "larger"])
def test_coco_numbers_from_batches_are_those_of_the_files(name):
    case = coco_case(name)
    ids = sorted(category["id"] for category in case["gt"]["categories"])
    metric = metrics.CocoDetection([f"c{number}" for number in ids], category_ids=ids)
    for _ in range(2):  # the second time after a reset
        metric.reset()
        found = fed(metric, case).result()
        wanted = np.array(case["expected"]["stats"])
        np.testing.assert_allclose(
            list(found.values()), np.where(wanted < 0, np.nan, wanted), rtol=0, atol=1e-9
        )
    assert list(found)[:4] == ["ap", "ap50", "ap75", "ap_small"]
    rows = metric.per_class()
    for place, number in enumerate(ids):
        value = case["expected"]["per_category"][str(number)]["AP"]
        np.testing.assert_allclose(rows["ap"][place], np.nan if value < 0 else value, atol=1e-9)
    own, called = metric.as_coco()
    numbers = metrics.coco_ap(own, called)
    np.testing.assert_allclose(list(numbers.values()), wanted, rtol=0, atol=1e-9)
    assert {entry["category_id"] for entry in own["annotations"]} <= set(ids)


FULL = np.ones((28, 28), np.float32)
CANVAS = np.zeros(SIZE, np.uint8)
CANVAS[10:30, 20:60] = 1


def masked(rows, most, cells=FULL):
    """As `predictions_of`, each box with the same mask in its frame."""
    made = predictions_of(rows, most)
    frames = np.zeros((len(rows), most, *cells.shape), np.float32)
    for i, row in enumerate(rows):
        frames[i, : len(row)] = cells
    return {**made, "masks": frames}


def test_masks_are_measured_by_masks():
    part = [10, 20, 30, 48]  # 28 of 40 columns: IoU 0.7
    metric = metrics.CocoDetection(["a"], kind="segm")
    metric.update(batch_of([one(masks=[png(CANVAS)])]), masked([[(part, 0.9, 0)]], 2))
    numbers = metric.result()
    assert numbers["mask_ap50"] == pytest.approx(1.0)
    assert numbers["mask_ap"] == pytest.approx(0.5)  # 0.5, 0.55 ... 0.7 of ten thresholds
    assert numbers["mask_ap_small"] == pytest.approx(0.5)  # 800 pixels
    assert metric.report().table.startswith("masks, COCO\nclass")
    own, called = metric.as_coco()
    assert schema.image_ids([image.name for image in metric.images]) == [0]
    assert metrics.coco_ap(own, called, kind="segm")["AP"] == pytest.approx(0.5)
    # What is written has both, and the mask at the original image's size.
    (entry,) = called
    assert entry["bbox"] == [20, 10, 28, 20]
    assert entry["segmentation"]["size"] == list(SIZE)
    found = masks.from_rle(json.loads(json.dumps(entry["segmentation"])))
    assert masks.bounds(found) == tuple(part)
    assert masks.area(found) == 20 * 28


def test_detections_are_written_by_the_metric_that_has_masks():
    boxes, segm = (metrics.CocoDetection(["a"], kind) for kind in ("bbox", "segm"))
    voc = metrics.VocDetection(["a"], kind="segm")
    assert detection_metrics.writer([voc, boxes, segm]) is segm
    assert detection_metrics.writer([voc, boxes]) is boxes
    assert detection_metrics.writer([voc]) is None


def test_a_box_counts_only_with_the_mask_in_it():
    upper = np.repeat([1.0, 0.0], 14)[:, None] * FULL  # half the box: IoU 0.5 with the whole
    truths = batch_of([one(masks=[png(CANVAS)])])
    for threshold, wanted in ((0.5, 1.0), (0.51, 0.0)):
        metric = metrics.VocDetection(["a"], iou=threshold, kind="segm")
        metric.update(truths, masked([[(BOX, 0.9, 0)]], 1, upper))
        assert metric.result() == {"mask_map": wanted}
    boxes = metrics.VocDetection(["a"], iou=0.51)
    boxes.update(truths, masked([[(BOX, 0.9, 0)]], 1, upper))
    assert boxes.result() == {"map": 1.0}


@pytest.mark.parametrize("style", ["2007", "2010"])
def test_vocs_numbers_of_masks_that_fill_their_boxes_are_those_of_the_boxes(style):
    """Two images, two classes, a second detection of one object and a difficult one."""
    other = [32.0, 0.0, 50.0, 30.0]
    filled = np.zeros(SIZE, np.uint8)
    filled[32:50, :30] = 1
    files = [png(CANVAS), png(filled)]
    truths = [
        one([BOX, other], [0, 1], difficult=[0, 1], masks=files),
        one([BOX, other], [0, 0], difficult=[0, 0], masks=files),
    ]
    near = [10.0, 24.0, 30.0, 60.0]
    rows = [
        [(BOX, 0.9, 0), (near, 0.8, 0), (other, 0.7, 1)],
        [(near, 0.6, 0), ([0.0, 0.0, 9.0, 9.0], 0.95, 0)],
    ]
    found = []
    for kind in ("bbox", "segm"):
        metric = metrics.VocDetection(["a", "b"], style=style, kind=kind)
        metric.update(batch_of(truths), masked(rows, 3))
        found.append([*metric.result().values(), *np.concatenate([*metric.per_class().values()])])
        assert metric.curves()["a"]["scores"].tolist() == pytest.approx([0.95, 0.9, 0.8, 0.6])
    np.testing.assert_allclose(found[1], found[0])
    # Wrong, right, wrong, right of three objects.
    wanted = 0.5 * 2 / 3 if style == "2010" else 0.5 * 7 / 11
    assert found[1][0] == pytest.approx(wanted)
    assert "masks, VOC" in metric.report().table


@pytest.mark.parametrize("make", [metrics.CocoDetection, metrics.VocDetection])
def test_objects_without_a_mask_are_left_out_and_data_without_masks_are_refused(make):
    metric = make(["a"], kind="segm")
    other = [40.0, 0.0, 55.0, 30.0]
    batch = batch_of([one([BOX, other], [0, 0], masks=[png(CANVAS), b""])])
    metric.update(batch, masked([[(BOX, 0.9, 0)]], 1))
    assert next(iter(metric.result().values())) == pytest.approx(1.0)
    assert metric.per_class()["objects"].tolist() == [1]
    with pytest.raises(errors.DataError, match=r"image7: 1 objects and 0 masks"):
        metric.update(batch_of([one(masks=[])], names=["image7"]), masked([[]], 1))
    with pytest.raises(ValueError, match="predictions have none"):
        metric.update(batch, predictions_of([[(BOX, 0.9, 0)]], 1))


def test_objects_of_no_given_area_have_that_of_their_box():
    metric = metrics.CocoDetection(["a", "b"])
    metric.update(batch_of([one()]), predictions_of([[(BOX, 0.9, 0)]], 1))
    numbers = metric.result()  # 20 x 40 = 800 pixels: small
    assert numbers["ap_small"] == pytest.approx(1.0)
    assert np.isnan(numbers["ap_large"])
    table = metric.report().table
    assert "ap_small" in table
    assert table.endswith("-: undefined, the truth has no object of that class and size")
    assert list(metric.curves()) == ["a"]
    assert metric.per_class()["objects"].tolist() == [1, 0]


@pytest.mark.parametrize(
    "metric", [metrics.CocoDetection(["a"]), metrics.VocDetection(["a"])], ids=["coco", "voc"]
)
def test_empty_sets_are_undefined_and_numbers_that_are_none_find_nothing(metric):
    metric.reset()
    assert np.isnan(list(metric.result().values())).all()
    assert metric.curves() == {}
    metric.update(batch_of([one((), ())]), predictions_of([[]], 3))
    assert np.isnan(list(metric.result().values())).all()
    nan = float("nan")
    broken = [(BOX, nan, 0), ([nan, 0, 1, 1], 0.9, 0)]
    metric.update(batch_of([one()], names=["7"]), predictions_of([broken], 3))
    assert next(iter(metric.result().values())) == 0.0
    metric.update(batch_of([one()], names=["8"]), predictions_of([[(BOX, 0.9, 0)]], 3))
    assert next(iter(metric.result().values())) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("iou", [0.5, 0.7])
@pytest.mark.parametrize("style", ["2007", "2010"])
def test_voc_numbers_from_batches_are_the_oracles(style, iou):
    case = json.loads((ORACLES / "metrics_voc" / "all_easy.json").read_text())
    names = sorted({entry["class"] for entry in case["gt"] + case["dt"]})
    metric = metrics.VocDetection(names, iou=iou, style=style)
    for place, entry in enumerate(case["dt"]):
        entry["score"] -= 1e-6 * place  # ties are in the order of the file, which mixes images
    images = sorted({entry["image"] for entry in case["gt"] + case["dt"]})
    for name in images:
        own = [entry for entry in case["gt"] if entry["image"] == name]
        found = [entry for entry in case["dt"] if entry["image"] == name]
        batch = batch_of(
            [
                one(
                    [ours(entry["box"]) for entry in own],
                    [names.index(entry["class"]) for entry in own],
                    difficult=[int(entry["difficult"]) for entry in own],
                )
            ]
        )
        rows = [(ours(e["box"]), e["score"], names.index(e["class"])) for e in found]
        metric.update(batch, predictions_of([rows], 40))
    wanted = case["expected"][str(iou)]
    key = style[2:]
    ap = metric.per_class()["ap"]
    for place, name in enumerate(names):
        value = wanted["per_class"][name][f"ap{key}"]
        np.testing.assert_allclose(ap[place], np.nan if value is None else value, atol=1e-9)
    assert metric.result() == {"map": pytest.approx(wanted[f"map{key}"], abs=1e-9)}


def ours(box):
    x1, y1, x2, y2 = box  # VOC's: both ends inclusive, from 1
    return [y1 - 1, x1 - 1, y2, x2]


@pytest.mark.parametrize("name", ["difficult", "is_crowd"])
def test_what_is_difficult_is_neither_found_nor_missed(name):
    metric = metrics.VocDetection(["a"])
    other = [40.0, 0.0, 55.0, 30.0]
    batch = batch_of([one([BOX, other], [0, 0], **{name: [0, 1]})])
    metric.update(batch, predictions_of([[(BOX, 0.5, 0), (other, 0.9, 0)]], 2))
    assert metric.result() == {"map": 1.0}
    assert metric.per_class()["objects"].tolist() == [1]
    assert metric.curves()["a"]["scores"].tolist() == [0.5]
    assert "difficult ones aside" in metric.report().table


def test_unknown_names_are_refused():
    with pytest.raises(errors.UsageError, match="unknown kind"):
        metrics.CocoDetection(["a"], kind="mask")
    with pytest.raises(errors.UsageError, match="unknown style"):
        metrics.VocDetection(["a"], style="2012")
    with pytest.raises(errors.UsageError, match="unknown kind"):
        metrics.VocDetection(["a"], kind="mask")
