"""Label Studio: JSON and JSON-MIN, regions, brushes, choices, addresses, what is left out."""

import json

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, schema, sources
from tfvision.ops import masks
from tfvision.sources import label_studio_shapes, label_studio_tasks

RECTANGLE = {"x": 10, "y": 20, "width": 20, "height": 50, "rotation": 0, "rectanglelabels": ["dog"]}


def result(value, kind=None, **more):
    """A result for an image of 10 x 20 pixels, so that 1 % is 0.2 wide and 0.1 high."""
    kind = kind or next(key for key in value if key.endswith("labels") or key == "choices")
    sizes = {"original_width": 20, "original_height": 10, "image_rotation": 0}
    return {"id": "r", "from_name": "tag", "to_name": "image", "type": kind, "value": value} | (
        sizes | more
    )


def task(*results, image="/data/upload/1/0a1b2c3d-a.png", **more):
    annotations = [{"id": 1, "result": list(results), "was_cancelled": False}]
    return {"id": 7, "data": {"image": image}, "annotations": annotations} | more


def runs(*found):
    """rle-pack's bytes of (repeats, words of 8 bits) with lengths of 3, 4, 8 and 16 bits."""
    count = sum(n for n, *_ in found)
    bits = f"{count:032b}" + f"{7:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    for number, *words in found:
        at, width = (0, 3) if number <= 8 else (2, 8)
        bits += f"{int(len(words) == 1)}{at:02b}{number - 1:0{width}b}"
        bits += "".join(f"{word:08b}" for word in words)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))


@pytest.fixture
def studio(tmp_path, unpack):
    """A function that writes an export beside images a.png and b.png and reads it."""
    (tmp_path / "images").mkdir()
    for name in "ab":
        Image.new("RGB", (20, 10)).save(tmp_path / "images" / f"{name}.png")

    def function(*tasks, **options):
        path = tmp_path / "export.json"
        path.write_text(json.dumps(tasks))
        source = sources.read("label_studio", str(tmp_path / "images"), str(path), **options)
        return source, *unpack(source)

    return function


def test_every_region_keeps_its_numbers(studio):
    polygon = {"points": [[5, 10], [45, 10], [25, 80]], "polygonlabels": ["cat"]}
    ellipse = {"x": 45, "y": 50, "radiusX": 20, "radiusY": 20, "rotation": 90}
    source, (sample,), findings = studio(
        task(result(RECTANGLE), result(polygon), result(ellipse | {"ellipselabels": ["dog"]}))
    )
    assert source.class_names == ["cat", "dog"]
    assert source.groups == ("labels", "objects", "masks")
    assert (sample.filename, sample.size, sample.labels) == ("a.png", (10, 20), [0, 1])
    box, triangle, disc = sample.objects
    assert (box.class_id, box.mask) == (1, None)
    assert box.box == pytest.approx((2, 2, 7, 6))  # y x y x of x 2, y 2, w 4, h 5
    assert triangle.mask[0] == pytest.approx([1, 1, 9, 1, 5, 8])
    assert disc.box == pytest.approx((1, 7, 9, 11))  # radii 4 and 2, turned
    assert findings == []


def test_a_box_turns_around_its_corner(studio):
    _, (sample,), (finding,) = studio(task(result(RECTANGLE | {"x": 50, "rotation": 90})))
    # From x 10, y 2 on, 4 wide and 5 high: 90 degrees clockwise it is 5 wide to the left.
    assert sample.objects[0].box == pytest.approx((2, 5, 6, 10))
    assert finding.reason == "turned box taken as the upright box around it"


def test_a_brush_is_unpacked_bit_by_bit(studio):
    # 2 x 3 pixels of four bytes: the first three clear, one of 1 2 3 200, two of 9 9 9 255.
    rle = runs((12, 0), (4, 1, 2, 3, 200), (8, 9, 9, 9, 255, 9, 9, 9, 255))
    assert label_studio_shapes.brush(rle, (2, 3)).tolist() == [[False] * 3, [True] * 3]
    for broken, reason in (
        (rle[:-3], "broken run lengths"),
        (rle[:3], "broken run lengths"),
        ([*rle, "x"], "broken run lengths"),
        ([], "broken run lengths"),
        (None, "broken run lengths"),
        (runs((4, 0)), "run lengths of another size"),
    ):
        with pytest.raises(schema.Rejected, match=reason):
            label_studio_shapes.brush(broken, (2, 3))
    words = [0] * 800
    words[4 * 27 + 3] = 255  # y 1, x 7
    rle = runs(
        *((8, *words[i : i + 8]) if any(words[i : i + 8]) else (8, 0) for i in range(0, 800, 8))
    )
    value = {"format": "rle", "rle": rle, "brushlabels": ["dog"]}
    _, (sample,), findings = studio(task(result(value)))
    assert np.argwhere(masks.from_rle(sample.objects[0].mask)).tolist() == [[1, 7]]
    assert findings == []


@pytest.mark.parametrize(
    ("value", "more", "reason"),
    [
        ({"x": 1, "y": 2, "width": 0.3, "keypointlabels": ["dog"]}, {}, "shape without area"),
        ({"sequence": [], "labels": ["dog"]}, {"kind": "videorectangle"}, "region of a video"),
        (RECTANGLE | {"x": "a"}, {}, "broken shape"),
        (RECTANGLE | {"width": 0}, {}, "box without area"),
        (RECTANGLE | {"rectanglelabels": []}, {}, "no class name"),
        (RECTANGLE, {"image_rotation": 90}, "drawn on a turned image"),
        ({"points": [[1, 1], [2, 2]], "polygonlabels": ["dog"]}, {}, "broken polygon"),
        ({"points": [[1, 1], [2, 2], [3]], "polygonlabels": ["dog"]}, {}, "broken polygon"),
        ({"rle": [1, 2], "format": "rle", "brushlabels": ["dog"]}, {}, "broken run lengths"),
        ({}, {"kind": "relation"}, "relation between objects"),
        ({"text": ["hm"]}, {"kind": "textarea"}, "no region"),
    ],
)
def test_what_makes_no_object_is_dropped_and_the_others_stay(studio, value, more, reason):
    _, (sample,), (finding,) = studio(task(result(value, **more), result(RECTANGLE, id="other")))
    assert [o.name for o in sample.objects] == ["result 2"]
    assert (finding.kind, finding.reason) == ("dropped", reason)
    assert finding.detail.startswith("result 1: ")


def test_shape_and_class_may_be_two_results_of_one_id(studio):
    plain = {key: n for key, n in RECTANGLE.items() if key != "rectanglelabels"}
    _, (sample,), findings = studio(
        task(result(plain, kind="rectangle"), result(plain | {"labels": ["dog"]}))
    )
    assert ([o.name for o in sample.objects], findings) == (["result 2"], [])
    _, (sample,), _ = studio(task(result(RECTANGLE, id=["r"]), result(RECTANGLE, id=None)))
    assert len(sample.objects) == 2


def test_choices_are_labels_of_the_image(studio):
    source, (a, b), findings = studio(
        task(result({"choices": ["sun", "fog"]})),
        task(result({"choices": ["fog"]}), image="b.png"),
    )
    assert (source.class_names, source.groups) == (["fog", "sun"], ("labels",))
    assert (a.labels, b.labels, a.objects, findings) == ([0, 1], [0], None, [])
    _, samples, (finding,) = studio(
        task(result({"choices": []})), task(result({"choices": ["fog"]}), image="b.png")
    )
    assert (len(samples), finding.kind, finding.reason) == (1, "skipped", "no label")
    weather = result({"choices": ["fog"]}, from_name="weather")
    source, (sample,), (finding,) = studio(task(weather, result(RECTANGLE)))
    assert (source.class_names, finding.reason) == (["dog"], "choices beside regions")
    options = sources.Options(class_attribute="weather")
    source, (sample,), findings = studio(task(weather, result(RECTANGLE)), options=options)
    assert (source.class_names, sample.labels, findings) == (["fog"], [0], [])
    with pytest.raises(errors.UsageError, match="has results of: tag"):
        studio(task(result(RECTANGLE)), options=options)


def test_the_first_annotation_that_was_not_cancelled_counts(studio):
    found = [
        {"result": [result(RECTANGLE), result(RECTANGLE)], "was_cancelled": True},
        {"result": [result(RECTANGLE)]},
        {"result": []},
    ]
    _, (sample,), (finding,) = studio(task() | {"annotations": found})
    assert len(sample.objects) == 1
    assert (finding.kind, finding.reason) == ("noted", "several annotations of one image")
    _, (sample,), findings = studio(task(result(RECTANGLE)), task())
    assert (len(sample.objects), [f.reason for f in findings]) == (1, ["image listed twice"])


def test_tasks_that_are_not_done_are_left_out(studio):
    prediction = {"result": [result(RECTANGLE)]}
    source, (sample,), findings = studio(
        task(annotations=[], predictions=[prediction]),
        task(result(RECTANGLE), image="b.png"),
        task(result(RECTANGLE), image="no.png"),
        task(result(RECTANGLE), image="data:image/png;base64,iVBORw0K"),
        task(annotations=[], image="b2.png"),
        5,
    )
    assert sample.filename == "b.png"
    assert [(f.kind, f.reason) for f in findings] == [
        ("skipped", "task with predictions only"),
        ("skipped", "image file missing"),
        ("skipped", "no path"),
        ("skipped", "image file missing"),
        ("skipped", "not a task of Label Studio"),
    ]
    assert source.census.left == {"task with predictions only": (1, ["a.png"])}


def test_json_min_says_the_same(studio):
    sizes = {"original_width": 20, "original_height": 10}
    entry = {"image": "/data/upload/1/0a1b2c3d-a.png", "id": 3, "annotator": 1, "lead_time": 2.5}
    source, (sample,), findings = studio(entry | {"label": [RECTANGLE | sizes]})
    assert (source.class_names, findings) == (["dog"], [])
    assert sample.objects[0].box == pytest.approx((2, 2, 7, 6))
    source, (a, b), _ = studio(
        entry | {"choice": "fog"}, {"image": "b.png", "weather": {"choices": ["fog", "sun"]}}
    )
    assert (source.class_names, a.labels, b.labels) == (["fog", "sun"], [0], [0, 1])


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("/data/upload/1/0a1b2c3d-my-cat.jpg", ("0a1b2c3d-my-cat.jpg", "my-cat.jpg")),
        ("/data/upload/1/cat.jpg", ("cat.jpg",)),
        ("/data/local-files/?d=photos%2Fmy%20cat.jpg", ("photos/my cat.jpg",)),
        ("s3://bucket/photos/cat.jpg", ("photos/cat.jpg",)),
        ("https://example.org/photos/cat.jpg?token=1", ("photos/cat.jpg",)),
        ("photos/cat.jpg", ("photos/cat.jpg",)),
        ("data:image/png;base64,AAAA", ()),
        ("", ()),
    ],
)
def test_a_file_is_named_by_the_tail_of_its_address(address, names):
    assert label_studio_tasks.file_names(address) == names


def test_splits_are_folders_and_files_and_names_are_found_below(tmp_path, unpack):
    for name in ("train/deep/a.png", "val/a.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("RGB", (20, 10)).save(tmp_path / name)
    (tmp_path / "json").mkdir()
    for split in ("train", "val"):
        text = json.dumps([task(result(RECTANGLE), image="s3://bucket/a.png")])
        (tmp_path / "json" / f"{split}.json").write_text(text)
    source = sources.read("label_studio", str(tmp_path), str(tmp_path / "json"), split="train")
    (sample,), findings = unpack(source)
    assert (sample.filename, source.census.found) == ("deep/a.png", 2)
    assert [f.reason for f in findings] == ["images are in sub folders that their names leave out"]
    with pytest.raises(errors.DataError, match=r"expected test\.json, found train\.json, val"):
        sources.read("label_studio", str(tmp_path), str(tmp_path / "json"), split="test")


def test_a_class_list_refuses_other_names(studio, tmp_path):
    (tmp_path / "names.txt").write_text("cat\n")
    with pytest.raises(errors.DataError, match=r"a\.png, result 1: class 'dog' is not in"):
        studio(task(result(RECTANGLE)), label_file=str(tmp_path / "names.txt"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "contains no list"),
        ('[{"data": {"image": "a.png"}', "not valid JSON"),
        ("[] 5", "something follows the list"),
        ("[5]", "its first entry has no 'data'"),
        ('[{"text": "hello"}]', "its first entry has no 'data'"),
        ("[]", "there are no classes"),
    ],
)
def test_an_unusable_file_is_an_error(tmp_path, text, message):
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(errors.DataError, match=message):
        sources.FORMATS["label_studio"](str(tmp_path), str(tmp_path / "e.json"))
    with pytest.raises(errors.UsageError, match="needs annotations"):
        sources.FORMATS["label_studio"](str(tmp_path), None)
    with pytest.raises(errors.DataError, match="does not exist"):
        sources.FORMATS["label_studio"](str(tmp_path), str(tmp_path / "no.json"))
