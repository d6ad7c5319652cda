"""COCO json: ids, crowds and the rules for broken annotations."""

import json

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources


@pytest.fixture
def coco(tmp_path, unpack):
    """One image of 10 x 20 pixels and a function that writes a json around annotations."""
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "a.png")

    def read(*annotations, **changes):
        content = {
            "images": [{"id": 7, "file_name": "a.png", "height": 10, "width": 20}],
            "annotations": [
                {"id": i, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]} | annotation
                for i, annotation in enumerate(annotations)
            ],
            "categories": [{"id": 90, "name": "brush"}, {"id": 3, "name": " car "}],
        } | changes
        (tmp_path / "i.json").write_text(json.dumps(content))
        source = sources.FORMATS["coco"](str(tmp_path), str(tmp_path / "i.json"), split="train")
        return source, *unpack(source)

    return read


def test_gapped_category_ids_become_class_ids_in_order(coco):
    source, (sample,), findings = coco({}, {"category_id": 90})
    assert source.class_names == ["car", "brush"]
    assert source.category_ids == [3, 90]
    assert (sample.source_id, sample.size, sample.labels) == ("7", (10, 20), [0, 1])
    assert [o.class_id for o in sample.objects] == [0, 1]
    assert sample.objects[0].box == (2.0, 1.0, 6.0, 4.0)  # y x y x of x 1, y 2, w 3, h 4
    assert [f.reason for f in findings] == ["name trimmed"]


def test_crowds_give_no_label_and_masks_announce_their_group(coco):
    source, (sample,), _ = coco({"iscrowd": 1, "area": 5})
    assert sample.labels == []
    assert sample.objects[0].is_crowd
    assert sample.objects[0].area == 5.0
    assert source.groups == ("labels", "objects")
    polygon = [[0, 0, 4, 0, 4, 4]]
    source, (sample,), _ = coco({"segmentation": polygon})
    assert source.groups == ("labels", "objects", "masks")
    assert sample.objects[0].mask == polygon


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [1, 2, 3]}, "broken box"),
        ({"bbox": "1234"}, "broken box"),
        ({"bbox": [float("nan"), 2, 3, 4]}, "broken box"),
        ({"bbox": [1, 2, 3, None]}, "broken box"),
        ({"bbox": [1, 2, 0, 4]}, "box without area"),
        ({"bbox": None}, "neither box nor mask"),
        ({"segmentation": [1, 2, 3, 4, 5, 6]}, "broken polygon"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "broken polygon"),
        ({"segmentation": [[1, 2, 3, 4]]}, "broken polygon"),
        ({"image_id": 8}, "annotation of an unknown image"),
        ({"image_id": [8]}, "annotation of an unknown image"),
    ],
)
def test_a_broken_annotation_is_dropped_and_the_others_stay(coco, change, reason):
    _, (sample,), (_, finding) = coco(change, {})
    assert [o.name for o in sample.objects] == ["annotation 1"]
    assert (finding.kind, finding.reason) == ("dropped", reason)
    assert "annotation 0" in finding.detail


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": []}, "no classes"),
        ({"categories": [{"id": 3, "name": "a"}, {"id": 3, "name": "b"}]}, "id 3 appears twice"),
        ({"categories": [{"id": 3, "name": "a"}, {"id": 4, "name": "a"}]}, "'a' appears twice"),
        ({"categories": [{"id": 3.5, "name": "a"}]}, "whole id"),
        ({"images": []}, "'images' is empty"),
        ({"images": [{"id": 7}]}, "file_name"),
        ({"annotations": {}}, "no list 'annotations'"),
    ],
)
def test_an_unusable_file_is_an_error(coco, changes, message):
    with pytest.raises(errors.DataError, match=message):
        coco({}, **changes)


def test_an_unknown_category_is_an_error_that_names_it(coco):
    with pytest.raises(errors.DataError, match=r"annotation 0 .*category_id 4"):
        coco({"category_id": 4})


def test_missing_annotations_are_named(tmp_path):
    with pytest.raises(errors.UsageError, match="needs annotations"):
        sources.coco.read(str(tmp_path), None)
    with pytest.raises(errors.DataError, match="does not exist"):
        sources.coco.read(str(tmp_path), str(tmp_path / "no.json"))
    with pytest.raises(errors.DataError, match="expected one instances_train"):
        sources.coco.read(str(tmp_path), str(tmp_path))


@pytest.mark.parametrize(("split", "images", "crowds"), [("train", 66, 6), ("val", 30, 5)])
def test_coco128_has_the_counts_of_its_readme(shared_data, unpack, split, images, crowds):
    root = shared_data / "coco128"
    folder = str(root / "images" / f"{split}2017")
    source = sources.coco.read(folder, str(root / "annotations"), split=split)
    samples, findings = unpack(source)
    assert (len(samples), len(source.class_names)) == (images, 80)
    assert source.category_ids[-1] == 90
    assert findings == []
    assert sum(o.is_crowd for s in samples for o in s.objects) == crowds


def test_large_files_are_read_in_pieces_whatever_their_order(tmp_path, unpack, monkeypatch):
    monkeypatch.setattr(sources.coco_file.stream, "_CHUNK", 7)
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "ä.png")
    content = {
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3.25, 4], "text": 'a"]}\\'}
        ],
        "info": {"year": [1, 2, {"a": None}]},
        "categories": [{"id": 3, "name": "car"}],
        "licenses": [],
        "images": [{"id": 7, "file_name": "ä.png"}],
    }
    for text in (json.dumps(content), json.dumps(content, indent=2, ensure_ascii=False)):
        (tmp_path / "i.json").write_text(text, encoding="utf-8")
        (sample,), findings = unpack(sources.coco.read(str(tmp_path), str(tmp_path / "i.json")))
        assert findings == []
        assert sample.objects[0].box == (2.0, 1.0, 6.0, 4.25)
        (tmp_path / "i.json").write_text(text[:-20], encoding="utf-8")
        with pytest.raises(errors.DataError, match="not valid JSON"):
            sources.coco.read(str(tmp_path), str(tmp_path / "i.json"))
