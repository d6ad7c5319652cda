"""Pascal VOC label maps: lists, classes with background, what is skipped."""

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, schema, sources
from tfvision.records import encode, image_files
from tfvision.sources import voc_segmentation

read = sources.FORMATS["voc_segmentation"]


@pytest.fixture
def voc(tmp_path):
    """Images a, b, c of 2 x 3 pixels; palette PNGs of a and b with background, cat and void."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / folder).mkdir(parents=True)
    for stem in "abc":
        Image.new("RGB", (3, 2)).save(tmp_path / "JPEGImages" / f"{stem}.jpg")
    for stem in "ab":
        indices = Image.fromarray(np.array([[0, 0, 8], [8, 255, 255]], np.uint8), "P")
        indices.putpalette([i // 3 for i in range(768)])
        indices.save(tmp_path / "SegmentationClass" / f"{stem}.png")
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("a\nc\nd\na\n")
    return tmp_path


def test_the_lists_name_the_images(voc, unpack):
    source = read(str(voc), split="train")
    (sample,), findings = unpack(source)
    assert source.class_names[:2] == ["background", "aeroplane"]
    assert len(source.class_names) == 21
    assert source.groups == ("label_map",)
    assert (sample.filename, sample.source_id, sample.objects) == ("a.jpg", "a", None)
    assert sample.label_map == schema.LabelMap(str(voc / "SegmentationClass" / "a.png"))
    assert [(f.reason, f.file) for f in findings] == [
        ("image without a label map", "c.jpg"),
        ("image file missing", "d.jpg"),
        ("image listed twice", "a"),
    ]
    assert [s.source_id for s in unpack(read(str(voc), split=""))[0]] == ["a", "b"]
    with pytest.raises(errors.DataError, match="no list of split 'val'"):
        read(str(voc), split="val")


def test_palette_indices_become_the_record_and_void_stays(voc, unpack):
    source = read(str(voc), split="")
    (sample, _), _ = unpack(source)
    image = image_files.normalise((voc / "JPEGImages/a.jpg").read_bytes())
    encoded = encode.encode(sample, image, source.class_names, source.groups)
    assert encoded.findings == []
    assert voc_segmentation.CLASS_NAMES[8] == "cat"
    with pytest.raises(errors.DataError, match="8"):
        encode.encode(sample, image, ["background", "cat"], source.groups)


def test_other_classes_and_another_folder_of_maps(voc, unpack):
    (voc / "SegmentationClass").rename(voc / "Maps")
    (voc / "labels.txt").write_text("background\nroad\n")
    source = read(str(voc), str(voc / "Maps"), split="train")
    assert source.class_names == ["background", "road"]
    assert len(unpack(source)[0]) == 1
    with pytest.raises(errors.DataError, match="SegmentationClass does not exist"):
        read(str(voc))
