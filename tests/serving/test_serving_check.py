"""Detections of an export against those of its net: pairs by class and place, and their masks."""

import numpy as np
import pytest

from tfvision.serving import check

A, B = [0.0, 0.0, 10.0, 20.0], [40.0, 40.0, 60.0, 80.0]
CELLS = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)


def answers(boxes=(A, B), scores=(0.9, 0.6), ids=(0, 1), masks=(CELLS, 1 - CELLS), size=(90, 100)):
    """One image; a third place is padding, whose mask is noise."""
    found = {
        "boxes": np.zeros((1, 3, 4), np.float32),
        "scores": np.zeros((1, 3), np.float32),
        "class_ids": np.full((1, 3), -1, np.int32),
        "masks": np.random.default_rng(0).random((1, 3, *np.shape(masks)[1:])).astype(np.float32),
        "num_detections": np.array([len(boxes)], np.int32),
        "image_size": np.array([size], np.int32),
    }
    for name, values in (("boxes", boxes), ("scores", scores), ("class_ids", ids)):
        found[name][0, : len(values)] = values
    found["masks"][0, : len(masks)] = masks
    return found


def compare(found, wanted, atol=1e-5):
    rows = check.compare(found, wanted, rtol=0.0, atol=atol, what="serving_default")
    return {row["output"]: row for row in rows}


def test_equal_answers_have_a_row_of_boxes_and_one_of_masks():
    rows = compare(answers(), answers())
    assert {name: row["largest_difference"] for name, row in rows.items()} == {
        "boxes": 0.0,
        "masks": 0.0,
    }
    assert rows["masks"]["shape"] == [1, 3, 4, 4]
    without = {k: v for k, v in answers().items() if k not in ("masks", "image_size")}
    assert list(compare(without, without)) == ["boxes"]


def test_partners_may_stand_in_another_order():
    swapped = answers((B, A), (0.6, 0.9), (1, 0), (1 - CELLS, CELLS))
    assert compare(swapped, answers())["masks"]["largest_difference"] == 0.0


def test_a_mask_that_differs_is_refused_and_the_difference_told():
    near = answers(masks=(CELLS + np.float32(5e-4), 1 - CELLS))
    assert compare(near, answers())["masks"]["largest_difference"] == pytest.approx(5e-4, abs=1e-6)
    far = answers(masks=(CELLS + np.float32(0.01), 1 - CELLS))
    with pytest.raises(ValueError, match=r"'masks' of a box of class 0, score 0.9.* by 0.01 in"):
        compare(far, answers())
    # bfloat16 is allowed more.
    assert compare(far, answers(), atol=2e-2)["masks"]["largest_difference"] > 0.009
    for wrong in (CELLS.T, np.full((4, 4), np.nan, np.float32)):
        with pytest.raises(ValueError, match="'masks' of a box of class 1"):
            compare(answers(masks=(CELLS, wrong)), answers(masks=(CELLS, 1 - CELLS)))


def test_a_mask_moves_with_its_box():
    moved = [0.0, 0.0, 10.0, 19.0]  # overlaps by 0.95, so its mask may differ by 0.05
    changed = (CELLS + np.float32(0.04), 1 - CELLS)
    assert compare(answers((moved, B), masks=changed), answers())["masks"]["shape"]
    with pytest.raises(ValueError, match="'masks' of a box of class 0"):
        compare(answers((moved, B), masks=(CELLS + np.float32(0.06), 1 - CELLS)), answers())


def test_of_two_equal_boxes_that_with_the_mask_is_the_partner():
    twice = answers((A, A), (0.9, 0.9), (0, 0))
    other = answers((A, A), (0.9, 0.9), (0, 0), (1 - CELLS, CELLS))
    assert compare(other, twice)["masks"]["largest_difference"] == 0.0


def test_other_shapes_of_masks_and_other_sizes_of_images_are_refused():
    with pytest.raises(ValueError, match=r"'masks' are \(2, 2\) each, expected \(4, 4\)"):
        compare(answers(masks=(CELLS[:2, :2],) * 2), answers())
    with pytest.raises(ValueError, match="'image_size' differs"):
        compare(answers(size=(100, 90)), answers())
    with pytest.raises(ValueError, match="no output 'masks'"):
        compare({k: v for k, v in answers().items() if k != "masks"}, answers())


def test_a_box_without_a_partner_is_refused_unless_it_barely_was_kept():
    one = answers((A,), (0.9,), (0,), (CELLS,))
    with pytest.raises(ValueError, match=r"class 1, score 0\.6000, has no partner"):
        compare(one, answers((A, B, B), (0.9, 0.6, 0.5), (0, 1, 2), (CELLS,) * 3))
    assert compare(one, answers())["boxes"]["largest_difference"] == 0.0  # 0.6 is the lowest kept
