"""COCO panoptic: things, stuff, crowds and missing PNGs."""

import json

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, schema, sources
from tfvision.records import encode, image_files

CATEGORIES = [
    {"id": 200, "name": "rug", "isthing": 0},
    {"id": 1, "name": "person", "isthing": 1},
    {"id": 3, "name": "car", "isthing": 1},
]


@pytest.fixture
def panoptic(tmp_path, unpack):
    """One image of 2 x 3 pixels with segments 1000, 5 and 6, and a function that reads it."""
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "panoptic_train").mkdir()
    ids = np.array([[1000, 1000, 5], [0, 6, 6]])
    Image.fromarray(np.stack([ids % 256, ids // 256, 0 * ids], -1).astype(np.uint8)).save(
        tmp_path / "panoptic_train" / "a_ids.png"
    )
    segments = [
        {"id": 1000, "category_id": 3, "bbox": [0, 0, 2, 1], "area": 2, "iscrowd": 0},
        {"id": 5, "category_id": 1, "bbox": [2, 0, 1, 1], "area": 1, "iscrowd": 1},
        {"id": 6, "category_id": 200, "bbox": [1, 1, 2, 1], "area": 2, "iscrowd": 0},
    ]

    def read(**changes):
        content = {
            "images": [{"id": 7, "file_name": "a.png", "height": 2, "width": 3}],
            "annotations": [{"image_id": 7, "file_name": "a_ids.png", "segments_info": segments}],
            "categories": CATEGORIES,
        } | changes
        (tmp_path / "panoptic_train.json").write_text(json.dumps(content))
        source = sources.FORMATS["panoptic"](str(tmp_path), str(tmp_path), split="train")
        return source, *unpack(source)

    read.segments = segments
    return read


def test_things_become_objects_and_all_segments_the_label_map(panoptic):
    source, (sample,), findings = panoptic()
    assert findings == []
    assert source.class_names == ["person", "car", "rug"]
    assert source.category_ids == [1, 3, 200]
    assert source.groups == ("labels", "objects", "masks", "label_map")
    assert [(o.class_id, o.box, o.mask, o.is_crowd, o.area) for o in sample.objects] == [
        (1, (0, 0, 1, 2), 1000, False, 2.0),
        (0, (0, 2, 1, 3), 5, True, 1.0),
    ]
    assert sample.labels == [1]
    assert sample.label_map.values == {0: schema.VOID, 1000: 1, 5: 0, 6: 2}
    assert sample.label_map.path == sample.segments


def test_a_broken_bbox_is_taken_from_the_mask(panoptic):
    segments = [dict(panoptic.segments[0], bbox=[0, 0, "2"]), *panoptic.segments[1:]]
    annotation = {"image_id": 7, "file_name": "a_ids.png", "segments_info": segments}
    _, (sample,), _ = panoptic(annotations=[annotation])
    assert sample.objects[0].box is None


def test_an_image_without_its_png_is_skipped(panoptic):
    entry = {"image_id": 7, "file_name": "none.png", "segments_info": []}
    cases = {
        "mask file missing": [entry],
        "no mask": [],
        "annotation of an unknown image": [entry | {"image_id": 8}],
    }
    for reason, annotations in cases.items():
        _, samples, findings = panoptic(annotations=annotations)
        assert samples == []
        assert reason in [f.reason for f in findings]
    outside = [entry | {"file_name": "../a.png"}]
    assert panoptic(annotations=outside)[2][0].reason == "mask file missing"


def test_an_unusable_annotation_is_an_error(panoptic):
    entry = {"image_id": 7, "file_name": "a_ids.png"}
    with pytest.raises(errors.DataError, match="no list 'segments_info'"):
        panoptic(annotations=[entry])
    with pytest.raises(errors.DataError, match="needs a whole id"):
        panoptic(annotations=[entry | {"segments_info": [{"id": 5.5}]}])
    with pytest.raises(errors.DataError, match="has the unknown category_id 9"):
        panoptic(annotations=[entry | {"segments_info": [{"id": 5, "category_id": 9}]}])
    with pytest.raises(errors.UsageError, match="own class list"):
        sources.FORMATS["panoptic"]("x", "y", labels=["a"])


@pytest.mark.parametrize(
    ("split", "count", "crowds", "objects"), [("train", 66, 6, 470), ("val", 30, 5, 294)]
)
def test_coco128_has_the_counts_of_its_readme(shared_data, unpack, split, count, crowds, objects):
    root = shared_data / "coco128"
    source = sources.FORMATS["panoptic"](
        str(root / "images" / f"{split}2017"), str(root / "annotations"), split=split
    )
    samples, findings = unpack(source)
    assert (len(samples), findings) == (count, [])
    assert len(source.class_names) == 133
    assert sum(o.is_crowd for s in samples for o in s.objects) == crowds
    assert sum(len(s.objects) for s in samples) == objects
    for sample in samples[:5]:
        with open(sample.path, "rb") as file:
            image = image_files.normalise(file.read(), sample.path)
        encoded = encode.encode(sample, image, source.class_names, source.groups)
        assert encoded.findings == []
        assert encoded.objects == len(sample.objects)
