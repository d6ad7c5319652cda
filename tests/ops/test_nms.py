import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors
from tfvision.ops import boxes as box_ops
from tfvision.ops import nms

pytestmark = pytest.mark.addons
ORACLES = pathlib.Path(__file__).parents[1] / "oracles" / "ops"
TORCH = np.load(ORACLES / "nms.npz")
CV2 = np.load(ORACLES / "yolo_nms.npz")  # of oracles/yolov*: rows, and cv2's boxes per class
YXYX = [1, 0, 3, 2]
A, B, C = [0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0], [0.0, 20.0, 10.0, 30.0]


def plain(boxes, scores, groups, threshold):
    """Greedy suppression from its definition: indices by falling score, stable."""
    overlap = box_ops.iou_matrix(boxes, boxes).numpy()
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if all(groups[i] != groups[j] or overlap[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


def crowd(seed, count, classes):
    """Overlapping boxes on both sides of 0, scores with many ties, and their groups."""
    rng = np.random.default_rng(seed)
    middle, size = rng.uniform(-60, 60, (count, 2)), rng.uniform(1, 60, (count, 2))
    boxes = np.concatenate([middle - size / 2, middle + size / 2], axis=1).astype(np.float32)
    scores = np.round(rng.random(count), 2).astype(np.float32)
    return boxes, scores, rng.integers(0, classes, count).astype(np.int32)


def batched(boxes, scores, groups, threshold, most):
    inputs = [tf.constant(part)[None] for part in (boxes, scores, groups)]
    kept, count = nms.batched(*inputs, iou_threshold=threshold, max_detections=most)
    return kept[0, : count[0]].numpy().tolist()


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_indices_are_torchvisions(threshold):
    boxes, scores, classes = TORCH["boxes"][:, YXYX], TORCH["scores"], TORCH["classes"]
    one = np.zeros_like(classes)
    assert batched(boxes, scores, one, threshold, 300) == TORCH[f"nms_{threshold}"].tolist()
    several = TORCH[f"batched_nms_{threshold}"].tolist()
    assert batched(boxes, scores, classes, threshold, 300) == several
    assert batched(boxes, scores, classes, threshold, 20) == several[:20]


def test_equal_boxes_and_boxes_without_area_are_torchvisions():
    boxes, scores = TORCH["edge_boxes"][:, YXYX], TORCH["edge_scores"]
    found = batched(boxes, scores, np.zeros(len(scores), np.int32), 0.5, 8)
    assert found == TORCH["edge_nms_0.5"].tolist()


@pytest.mark.parametrize(("seed", "count", "classes"), [(0, 700, 1), (1, 900, 3), (2, 256, 50)])
def test_several_tiles_with_ties_are_the_definition(seed, count, classes):
    boxes, scores, groups = crowd(seed, count, classes)
    wanted = plain(boxes, scores, groups, 0.4)
    assert batched(boxes, scores, groups, 0.4, count) == wanted
    assert batched(boxes, scores, groups, 0.4, 30) == wanted[:30]


def test_images_of_a_batch_do_not_meet():
    parts = [crowd(seed, 300, 2) for seed in (3, 4)]
    inputs = [tf.constant(np.stack(values)) for values in zip(*parts, strict=True)]
    kept, count = nms.batched(*inputs, iou_threshold=0.5, max_detections=300)
    for row, part in enumerate(parts):
        assert kept[row, : count[row]].numpy().tolist() == plain(*part, 0.5)


def test_what_is_no_candidate_never_stays():
    scores = np.array([-np.inf, np.nan, -3.0], np.float32)
    assert batched(np.array([A, C, C], np.float32), scores, np.zeros(3, np.int32), 0.5, 3) == [2]
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
    assert batched(*none, 0.5, 3) == []
    no_boxes, no_scores = np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32)
    assert found(boxes=no_boxes, scores=no_scores)["boxes"] == []


def found(
    function=nms.per_class, boxes=(A, B, C), scores=((0.9, 0.2), (0.8, 0.6), (0.1, 0.3)), **more
):
    options = {"iou_threshold": 0.5, "score_threshold": 0.15, "max_detections": 5, **more}
    inputs = [tf.constant(np.asarray(part, np.float32)[None]) for part in (boxes, scores)]
    result = function(*inputs, **options)
    assert result["boxes"].shape == (1, options["max_detections"], 4)
    count = result["num_detections"][0]
    for name, padding in (("boxes", 0), ("scores", 0), ("class_ids", -1)):
        assert (result[name][0, count:].numpy() == padding).all()
    return {
        name: values[0, :count].numpy().tolist()
        for name, values in result.items()
        if values.shape.rank > 1
    }


def test_classes_are_suppressed_apart():
    result = found()
    assert result["class_ids"] == [0, 1, 1]
    np.testing.assert_allclose(result["scores"], [0.9, 0.6, 0.3])
    assert result["boxes"] == [A, B, C]


def test_a_threshold_is_survived_by_what_equals_it():
    half = [0.0, 0.0, 10.0, 5.0]  # IoU with A: exactly 0.5
    assert len(found(boxes=(A, half, C), iou_threshold=0.5)["scores"]) == 5
    assert found(score_threshold=0.6)["class_ids"] == [0]  # a score must be above


def test_each_class_may_have_its_own_boxes():
    own = [[A, C], [B, A], [C, C]]
    result = found(boxes=own)
    assert result["boxes"] == [A, A, C]
    assert result["class_ids"] == [0, 1, 1]


def test_only_so_many_candidates_are_looked_at():
    result = found(pre_nms=2)
    np.testing.assert_allclose(result["scores"], [0.9])  # 0.8 is the other one, and overlaps
    assert found(pre_nms=10_000) == found()


def test_candidates_are_the_best_pairs_and_ties_keep_their_order():
    rng = np.random.default_rng(0)
    boxes = np.arange(200, dtype=np.float32)[:, None] * 10 + np.array([0, 0, 5, 5], np.float32)
    scores = np.round(rng.random((200, 7)), 1).astype(np.float32)
    wanted = np.argsort(-scores.ravel(), kind="stable")[:40]
    result = found(boxes=boxes, scores=scores, max_detections=40, pre_nms=40)
    assert result["class_ids"] == (wanted % 7).tolist()
    assert result["boxes"] == boxes[wanted // 7].tolist()


@pytest.mark.parametrize("shift", [-5000.0, 0.0, 5000.0])
def test_classes_far_from_the_origin_are_never_merged(shift):
    boxes, _, _ = crowd(5, 60, 1)
    boxes += np.float32(shift)
    scores = np.random.default_rng(5).random((60, 80)).astype(np.float32)
    result = found(
        boxes=boxes, scores=scores, max_detections=4800, score_threshold=0.0, pre_nms=4800
    )
    for k in (0, 1, 79):
        wanted = boxes[plain(boxes, scores[:, k], np.zeros(60), 0.5)].tolist()
        own = [b for b, c in zip(result["boxes"], result["class_ids"], strict=True) if c == k]
        assert own == wanted


@pytest.mark.parametrize("name", sorted({key.split("/")[0] for key in CV2}))
def test_yolos_detections_are_those_of_opencv(name):
    rows, size, confidence = (CV2[f"{name}/{key}"] for key in ("rows", "size", "conf"))
    pixels = rows[:, [1, 0, 3, 2]] * np.tile(size, 2).astype(np.float32)
    result = nms.per_class(
        box_ops.from_center(tf.constant(pixels))[None],
        tf.constant(rows[:, 4:5] * rows[:, 5:])[None],
        iou_threshold=0.45,
        score_threshold=float(confidence),
        max_detections=100,
    )
    count = int(result["num_detections"][0])
    assert count == len(CV2[f"{name}/scores"])
    np.testing.assert_array_equal(result["class_ids"][0, :count], CV2[f"{name}/labels"])
    np.testing.assert_allclose(result["scores"][0, :count], CV2[f"{name}/scores"], atol=1e-5)
    wanted = CV2[f"{name}/boxes"][:, YXYX]
    np.testing.assert_allclose(result["boxes"][0, :count], wanted, atol=1e-2)


def plain_soft(boxes, scores, decay, most, least):
    """Fig. 2 of the paper, for one class."""
    overlap = box_ops.iou_matrix(boxes, boxes).numpy()
    scores, chosen = scores.astype(np.float64).copy(), []
    for _ in range(most):
        best = int(np.argmax(scores))
        if scores[best] <= least:
            break
        chosen.append((best, scores[best]))
        scores *= decay(overlap[best])
        scores[best] = -1
    return chosen


@pytest.mark.parametrize(
    ("name", "decay"),
    [
        ("gaussian", lambda o: np.exp(-(o**2) / 0.5)),
        ("linear", lambda o: np.where(o >= 0.3, 1 - o, 1)),
    ],
)
def test_soft_suppression_is_the_papers_loop(name, decay):
    boxes, scores, _ = crowd(6, 120, 1)
    two = np.stack([scores, np.roll(scores, 7)], axis=1)
    result = found(
        nms.soft_per_class,
        boxes=boxes,
        scores=two,
        decay=name,
        iou_threshold=0.3,
        score_threshold=0.0512,
        max_detections=240,
    )
    for k in (0, 1):
        wanted = plain_soft(boxes, two[:, k], decay, 240, 0.0512)
        own = np.array(result["class_ids"]) == k
        np.testing.assert_array_equal(np.array(result["boxes"])[own], boxes[[i for i, _ in wanted]])
        np.testing.assert_allclose(
            np.array(result["scores"])[own], [s for _, s in wanted], rtol=1e-4
        )


def test_an_unknown_decay_is_refused():
    with pytest.raises(errors.UsageError, match="did you mean 'linear'"):
        found(nms.soft_per_class, decay="liner")


class Served(tf.Module):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 4], tf.float32),
            tf.TensorSpec([None, None, 3], tf.float32),
        ]
    )
    def __call__(self, boxes, scores):
        options = {"iou_threshold": 0.5, "score_threshold": 0.1, "max_detections": 10}
        hard = nms.per_class(boxes, scores, **options)
        return {**hard, "soft": nms.soft_per_class(boxes, scores, **options)["scores"]}


def test_a_saved_model_answers_the_same(tmp_path):
    boxes, scores, _ = crowd(7, 300, 1)
    inputs = tf.constant(boxes[None]), tf.constant(np.stack([scores] * 3, axis=-1)[None])
    module = Served()
    wanted = module(*inputs)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))(*inputs)
    assert wanted["num_detections"].numpy().tolist() == [10]
    for name, values in wanted.items():
        np.testing.assert_array_equal(loaded[name], values)
