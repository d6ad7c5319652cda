"""Photos that are stored smaller than they came, and their annotations: numbers by hand."""

import dataclasses
import io
import json

import numpy as np
import pytest
import tensorflow as tf
import warm
from PIL import Image

from tfvision import errors, schema, sources
from tfvision.datasets import Summary
from tfvision.inputs import decode
from tfvision.records import (
    convert_report,
    dataset,
    encode,
    image_files,
    label_maps,
    proposals,
    read,
    shards,
    shrink,
    verifier,
    writer,
)

NAMES = ["cat", "dog"]


def picture(size, kind="jpeg", orientation=1, **options):
    """A smooth picture of size (H, W), red from left to right, green from top to bottom."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([columns * 255 // width, rows * 255 // height, 0 * rows], axis=-1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, kind, exif=exif, **options)
    return buffer.getvalue()


def small(size, side=32, **options):
    return image_files.normalise(picture(size, **options), limit=shrink.Limit(side))


def pixels(image):
    return np.asarray(Image.open(io.BytesIO(image.data)).convert("RGB")).astype(int)


def record(image, *, groups=("objects", "masks"), **annotations):
    sample = schema.Sample("/a/b.jpg", "b.jpg", "17", **annotations)
    encoded = encode.encode(sample, image, NAMES, groups)
    features = tf.train.Example.FromString(encoded.record).features.feature
    values = {}
    for key, feature in features.items():
        kind = feature.WhichOneof("kind")
        values[key] = list(getattr(feature, kind).value)
    return values, encoded


def drawn(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_the_longer_side_becomes_the_limit_and_the_shape_stays():
    limit = shrink.Limit(1024)
    assert limit.size((3000, 4000)) == (768, 1024)
    assert limit.size((4000, 2999)) == (1024, 768)  # 767.7
    assert limit.size((1024, 7)) == (1024, 7)
    assert limit.size((50_000, 3)) == (1024, 1)


def test_a_photo_is_shrunk_and_a_small_one_keeps_its_bytes():
    image = small((48, 64))
    assert (image.format, image.size, image.full_size) == ("jpeg", (24, 32), (48, 64))
    rows, columns = np.mgrid[:24, :32]
    expected = np.stack([columns * 8 + 3, rows * 10.6 + 4, 0 * rows], axis=-1)
    assert np.abs(pixels(image) - expected).mean() < 4
    kept = small((24, 32))
    assert (kept.kept, kept.original, kept.data) == (True, None, picture((24, 32)))


def test_a_decoded_eighth_lies_where_the_whole_lies(monkeypatch):
    # 257 and 351 are not multiples of 8: the last pixels of the eighth cover less than the others.
    found = pixels(small((257, 351)))
    monkeypatch.setattr(shrink, "draft", lambda image, size: None)
    whole = pixels(small((257, 351)))
    assert found.shape == (23, 32, 3)
    assert np.abs(found - whole).mean() < 1.0
    assert np.abs((found - whole).mean(axis=(0, 1))).max() < 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_are_upright_after_shrinking(orientation):
    from PIL import ImageOps

    data = picture((66, 96), orientation=orientation)
    found = image_files.normalise(data, limit=shrink.Limit(32))
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    wanted = np.asarray(turned.resize((found.width, found.height), Image.Resampling.LANCZOS))
    assert image_files.orientation(found.data) == 1
    assert found.size == ((22, 32) if orientation < 5 else (32, 22))
    assert found.stored_size == (66, 96)
    assert np.abs(pixels(found) - wanted).mean() < 4


@pytest.mark.parametrize(
    ("kind", "options", "stored"),
    [
        ("png", {}, "png"),
        ("bmp", {}, "png"),
        ("webp", {"lossless": True}, "png"),
        ("webp", {"quality": 90}, "jpeg"),
        ("jpeg", {"progressive": True}, "jpeg"),
    ],
)
def test_only_what_is_lossy_becomes_a_jpeg(kind, options, stored):
    buffer = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(buffer, kind, **options)
    image = image_files.normalise(buffer.getvalue(), limit=shrink.Limit(16))
    assert (image.format, image.size) == (stored, (16, 16))
    assert np.abs(pixels(image) - 90).max() <= 1


def test_a_truncated_photo_is_refused_at_an_eighth_too():
    data = picture((512, 512), quality=95)
    with pytest.raises(errors.DataError, match=r"a\.jpg: .*truncated"):
        image_files.normalise(data[: len(data) // 2], "a.jpg", limit=shrink.Limit(32))


def test_boxes_stay_and_areas_shrink_with_the_image():
    objects = [
        schema.Object(1, (6, 8, 24, 40), area=100.0),
        schema.Object(0, (10, 10, 11, 11)),  # half a pixel a side afterwards: it stays
    ]
    values, encoded = record(small((48, 64)), size=(48, 64), objects=objects, groups=("objects",))
    edges = [values[f"image/object/bbox/{e}"] for e in ("ymin", "xmin", "ymax", "xmax")]
    np.testing.assert_allclose(np.transpose(edges)[0], [6 / 48, 8 / 64, 24 / 48, 40 / 64])
    assert len(edges[0]) == 2
    assert values["image/object/area"] == [25.0, 0.25]
    assert (values["image/height"], values["image/width"]) == ([24], [32])
    assert encoded.shrunk
    assert encoded.findings == []


def test_every_form_of_a_mask_is_halved_alike():
    bitmap = np.zeros((48, 64), np.uint8)
    bitmap[8:20, 16:41] = 1  # rows 4..10, columns 8..20.5, and half a pixel counts
    buffer = io.BytesIO()
    Image.fromarray(bitmap).save(buffer, "png")
    flat = bitmap.T.reshape(-1)
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes, flat.size]).tolist()
    forms = [
        [[16, 8, 41, 8, 41, 20, 16, 20]],
        {"size": [48, 64], "counts": runs},
        buffer.getvalue(),
    ]
    objects = [schema.Object(1, None, form) for form in forms]
    values, _ = record(small((48, 64)), size=(48, 64), objects=objects)
    for png in values["image/object/mask"]:
        np.testing.assert_array_equal(drawn(png), np.ones((6, 13)))
    assert values["image/object/area"] == [75.0] * 3  # 300 pixels of the file
    assert values["image/object/bbox/xmax"] == [np.float32(41 / 64)] * 3


def test_an_object_of_one_pixel_keeps_one():
    dot = [[21, 21, 22, 21, 22, 22, 21, 22]]
    objects = [schema.Object(1, (20, 20, 24, 24), dot)]
    values, encoded = record(small((48, 64), 16), size=(48, 64), objects=objects)
    np.testing.assert_array_equal(drawn(values["image/object/mask"][0]), [[1]])
    assert encoded.findings == []


def test_masks_and_boxes_of_the_stored_pixels_are_turned_and_shrunk():
    image = small((48, 64), orientation=6)  # upright: 64 x 48, and 32 x 24 as a record
    objects = [schema.Object(1, (0, 0, 8, 16), [[0, 0, 16, 0, 16, 8, 0, 8]])]
    values, _ = record(image, size=(48, 64), objects=objects)
    # Turned clockwise, the top left corner is at the top right: rows 0..16, columns 40..48.
    edges = [values[f"image/object/bbox/{e}"][0] for e in ("ymin", "xmin", "ymax", "xmax")]
    np.testing.assert_allclose(edges, [0, 40 / 48, 16 / 64, 1])
    np.testing.assert_array_equal(drawn(values["image/object/mask"][0]), np.ones((8, 4)))
    assert (values["image/height"], values["image/width"]) == ([32], [24])


def test_a_label_map_is_shrunk_by_the_nearest_pixel():
    # Each new pixel of 3 old ones has the middle one.
    values = np.zeros((48, 96), np.uint8)
    values[1::3, 1::3] = 1
    source = schema.LabelMap("map.png", label_maps.png(values))
    found, _ = record(small((48, 96)), groups=("label_map",), label_map=source)
    png = found["image/segmentation/class/encoded"][0]
    np.testing.assert_array_equal(drawn(png), np.ones((16, 32)))
    same = label_maps.png(np.zeros((16, 32), np.uint8))
    kept, _ = record(
        small((16, 32)), groups=("label_map",), label_map=schema.LabelMap("map.png", same)
    )
    assert kept["image/segmentation/class/encoded"] == [same]


def test_the_nearest_pixel_is_that_under_the_center():
    pixels = np.arange(10)[None]
    np.testing.assert_array_equal(shrink.nearest(pixels, (1, 4)), [[1, 3, 6, 8]])
    np.testing.assert_array_equal(shrink.nearest(pixels, (1, 10)), pixels)


def test_segments_are_cut_out_at_the_files_size(tmp_path):
    ids = np.zeros((48, 64, 3), np.uint8)
    ids[8:20, 16:40] = (7, 0, 0)
    Image.fromarray(ids).save(tmp_path / "ids.png")
    objects = [schema.Object(1, None, 7)]
    values, _ = record(small((48, 64)), objects=objects, segments=str(tmp_path / "ids.png"))
    np.testing.assert_array_equal(drawn(values["image/object/mask"][0]), np.ones((6, 12)))


def test_proposals_are_of_the_shrunk_image():
    pytest.importorskip("cv2.ximgproc")
    image = small((96, 128), 64)
    sample = schema.Sample("/a/b.jpg", "b.jpg", "17", objects=[])
    encoded = encode.encode(sample, image, NAMES, ("objects",), propose=proposals.selective_search)
    features = tf.train.Example.FromString(encoded.record).features.feature
    edges = features["image/proposals/bbox/ymax"].float_list.value
    assert len(edges) > 0
    assert max(edges) <= 1.0


@pytest.fixture
def photos(tmp_path):
    for at, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(6):
            data = picture((40 + i, 60 + at) if i % 2 else (10 + i, 12 + at))
            (tmp_path / "photos" / name / f"{i}.jpg").write_bytes(data)
    return tmp_path / "photos"


def written(photos, output, **options):
    source = sources.folder.read(str(photos), split="train")
    options = writer.Options(**{"name": "zoo", "limit": shrink.Limit(30, 80), **options})
    return source, writer.write(source, str(output), options)["train"]


def content(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_a_conversion_counts_what_it_shrinks_and_strict_is_content(photos, tmp_path):
    source, done = written(photos, tmp_path / "out", strict=True)
    assert (done.images, done.shrunk, done.listed) == (12, 6, [])
    raw = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert raw["splits"]["train"]["shrunk"] == {"images": 6, "max_side": 30, "quality": 80}
    line = "shrunk to at most 30 pixels a side, JPEG quality 80: 6 images"
    assert line in (tmp_path / "out" / convert_report.FILE).read_text()
    row = "  shrunk   6 images to at most 30 pixels"
    options = writer.Options(limit=shrink.Limit(30))
    assert row in str(Summary.of(source, "out", options, {"train": done})).splitlines()


@dataclasses.dataclass
class Annotated:
    """A source of one rotated photo with objects and a label map."""

    items: list
    class_names = NAMES
    groups = ("objects", "masks", "label_map")
    category_ids = None
    frame = ""
    census = None


def test_shrunk_records_are_sound_and_training_reads_them_in_place(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture((64, 96), orientation=8))  # upright: 96 x 64
    values = np.zeros((96, 64), np.uint8)
    values[24:48, 10:31] = 1
    Image.fromarray(values).save(tmp_path / "a.png")
    square = [[10, 24, 31, 24, 31, 48, 10, 48]]
    sample = schema.Sample(
        str(tmp_path / "a.jpg"),
        "a.jpg",
        "1",
        size=(96, 64),
        objects=[schema.Object(1, None, square), schema.Object(0, (0, 0, 96, 64), [[0, 0, 1, 1]])],
        label_map=schema.LabelMap(str(tmp_path / "a.png")),
    )
    options = writer.Options(name="zoo", limit=shrink.Limit(48))
    writer.write(Annotated([sample]), str(tmp_path / "out"), options)
    assert [p for p in verifier.verify(str(tmp_path / "out")) if p != 1] == []
    shard = dataset.read(tmp_path / "out").files("train")[0]
    fields = ("image", "boxes", "masks", "label_map", "area")
    example = decode.parse(next(read.records(shard)), fields)
    assert decode.pixels(example).shape == (48, 32, 3)
    np.testing.assert_allclose(example["boxes"], [[12, 5, 24, 15.5], [0, 0, 48, 32]])
    expected = np.zeros((48, 32))
    expected[12:24, 5:16] = 1  # column 15 is half covered
    found = decode.object_masks(example).numpy()
    np.testing.assert_array_equal(found[0], expected)
    assert not found[1].any()
    assert example["area"][0] == 126  # 24 x 21, a quarter of it
    expected[:, 15] = 0  # its center is the label map's column 31
    np.testing.assert_array_equal(decode.label_map(example), expected)


def test_the_number_of_workers_changes_no_byte(photos, tmp_path):
    written(photos, tmp_path / "one")
    written(photos, tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_another_limit_starts_over_and_the_same_one_goes_on(photos, tmp_path, monkeypatch):
    describe, done, count = shards._describe, [], []

    def interrupted(*arguments):
        done.append(1)
        if len(done) > 2:
            raise KeyboardInterrupt
        return describe(*arguments)

    for limit, again in ((shrink.Limit(30, 80), 2), (shrink.Limit(30, 81), 4), (None, 4)):
        done.clear()
        with monkeypatch.context() as patch:
            patch.setattr(shards, "_describe", interrupted)
            with pytest.raises(KeyboardInterrupt):
                written(photos, tmp_path / "out", shards=4)
        count.clear()
        with monkeypatch.context() as patch:
            patch.setattr(shards, "_describe", lambda *a: count.append(1) or describe(*a))
            _, report = written(photos, tmp_path / "out", shards=4, limit=limit)
        assert len(count) == again
        assert report.shrunk == (6 if limit else 0)


def test_default_shards_are_counted_by_what_is_stored():
    limit = shrink.Limit(1024)
    assert limit.stored_bytes(5_000_000) == 524_288
    assert limit.stored_bytes(100_000) == 100_000


@pytest.mark.parametrize(
    ("max_side", "quality", "message"),
    [
        (15, None, "max_side is 15; it must be at least 16"),
        (0, None, "max_side is 0"),
        (1024, 0, "quality is 0; it must be from 1 to 100"),
        (1024, 101, "quality is 101"),
        (None, 90, "--quality=90 is of shrunk images; give --max_side"),
    ],
)
def test_a_wrong_limit_is_a_usage_error(max_side, quality, message):
    with pytest.raises(errors.UsageError, match=message):
        shrink.limit(max_side, quality)


def test_a_limit_is_that_of_the_flags():
    assert shrink.limit(None, None) is None
    assert dataclasses.asdict(shrink.limit(512, None)) == {"max_side": 512, "quality": 95}


def command(*arguments):
    return warm.run("tfvision.cli", "convert", "--format=folder", *arguments)


def test_the_flags_reach_the_records_and_wrong_ones_nothing(photos, tmp_path):
    place = (f"--images={photos}", f"--output={tmp_path / 'out'}")
    wrong = command("--images=nowhere", "--output=nowhere", "--quality=90")
    assert wrong.returncode == 2
    assert "--quality=90 is of shrunk images" in wrong.stderr
    done = command(*place, "--max_side=30", "--strict", "--split=all")
    assert done.returncode == 0, done.stderr
    assert "shrunk   6 images to at most 30 pixels" in done.stdout
    split = json.loads((tmp_path / "out" / "dataset.json").read_text())["splits"]["all"]
    assert split["arguments"]["max_side"] == 30
    assert split["shrunk"]["quality"] == shrink.QUALITY
