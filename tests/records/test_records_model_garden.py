"""Records travel: ours parse as TF Model Garden's, TF Object Detection API's become ours."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from tfvision import schema
from tfvision.ops import masks
from tfvision.records import encode, image_files
from tfvision.sources import tfrecord

EDGES = ("ymin", "xmin", "ymax", "xmax")
# The features that Model Garden's tf_example_decoder.TfExampleDecoder(include_mask=True) parses.
SPEC = {
    "image/encoded": tf.io.FixedLenFeature((), tf.string),
    "image/source_id": tf.io.FixedLenFeature((), tf.string, ""),
    "image/height": tf.io.FixedLenFeature((), tf.int64, -1),
    "image/width": tf.io.FixedLenFeature((), tf.int64, -1),
    **{f"image/object/bbox/{edge}": tf.io.VarLenFeature(tf.float32) for edge in EDGES},
    "image/object/class/label": tf.io.VarLenFeature(tf.int64),
    "image/object/area": tf.io.VarLenFeature(tf.float32),
    "image/object/is_crowd": tf.io.VarLenFeature(tf.int64),
    "image/object/mask": tf.io.VarLenFeature(tf.string),
}


def _png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


PICTURE = _png(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3))


def test_our_record_parses_with_model_gardens_features():
    square = [[1, 1, 3, 1, 3, 3, 1, 3]]
    objects = [
        schema.Object(1, (1, 1, 3, 3), square, area=4.0),
        schema.Object(0, (0, 0, 2, 6), [[0, 0, 6, 0, 6, 2, 0, 2]], is_crowd=True),
    ]
    sample = schema.Sample("a.png", "a.png", "17", objects=objects)
    image = image_files.normalise(PICTURE)
    encoded = encode.encode(sample, image, ["cat", "dog"], ("objects", "masks"), full_masks=True)
    parsed = tf.io.parse_single_example(encoded.record, SPEC)
    dense = {
        k: (tf.sparse.to_dense(v) if isinstance(v, tf.SparseTensor) else v).numpy()
        for k, v in parsed.items()
    }
    assert dense["image/source_id"] == b"17"
    assert (dense["image/height"], dense["image/width"]) == (4, 6)
    decoded = tf.io.decode_image(dense["image/encoded"], channels=3)
    np.testing.assert_array_equal(decoded, Image.open(io.BytesIO(PICTURE)))
    boxes = np.stack([dense[f"image/object/bbox/{edge}"] for edge in EDGES], axis=1)
    np.testing.assert_allclose(boxes, [[1 / 4, 1 / 6, 3 / 4, 3 / 6], [0, 0, 0.5, 1]])
    assert dense["image/object/class/label"].tolist() == [1, 0]
    assert dense["image/object/is_crowd"].tolist() == [0, 1]
    assert dense["image/object/area"].tolist() == [4.0, 12.0]
    for png, item in zip(dense["image/object/mask"], objects, strict=True):
        mask = tf.io.decode_png(png, channels=1, dtype=tf.uint8)[..., 0]
        np.testing.assert_array_equal(mask, masks.from_polygons(item.mask, (4, 6)))


def _feature(values):
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def test_a_record_of_the_object_detection_api_becomes_ours(tmp_path):
    """The features of its create_coco_tf_record: ids from 1, normalised edges, whole masks."""
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 1:3] = 1
    boxes = np.float32([[1 / 4, 1 / 6, 3 / 4, 3 / 6], [0.0, 0.0, 0.5, 1.0]])
    features = {
        "image/height": [4],
        "image/width": [6],
        "image/filename": [b"000000000139.png"],
        "image/source_id": [b"139"],
        "image/key/sha256": [b"0" * 64],
        "image/encoded": [PICTURE],
        "image/format": [b"png"],
        **{f"image/object/bbox/{e}": boxes[:, i].tolist() for i, e in enumerate(EDGES)},
        "image/object/class/text": [b"dog", b"cat"],
        "image/object/class/label": [3, 1],
        "image/object/is_crowd": [0, 1],
        "image/object/area": [4.0, 12.0],
        "image/object/mask": [_png(mask), _png(np.ones((4, 6), np.uint8))],
    }
    example = tf.train.Example(
        features=tf.train.Features(feature={k: _feature(v) for k, v in features.items()})
    )
    with tf.io.TFRecordWriter(str(tmp_path / "coco_val.record-00000-of-00001")) as writer:
        writer.write(example.SerializeToString())
    (tmp_path / "label_map.pbtxt").write_text(
        "item {\n  id: 1\n  name: 'cat'\n}\nitem {\n  id: 3\n  name: 'dog'\n}\n"
    )
    source = tfrecord.read(str(tmp_path), str(tmp_path / "label_map.pbtxt"), split="val")
    (sample,) = source.items
    offset, length = sample.part
    with open(sample.path, "rb") as file:
        data = file.read()[offset : offset + length]
    assert data == PICTURE
    encoded = encode.encode(sample, image_files.normalise(data), source.class_names, source.groups)
    assert encoded.findings == []
    parsed = tf.io.parse_single_example(encoded.record, SPEC)
    found = {k: v.values.numpy() for k, v in parsed.items() if isinstance(v, tf.SparseTensor)}
    ours = np.stack([found[f"image/object/bbox/{edge}"] for edge in EDGES], axis=1)
    np.testing.assert_array_equal(ours, boxes)  # to the bit
    assert found["image/object/class/label"].tolist() == [1, 0]
    assert found["image/object/is_crowd"].tolist() == [0, 1]
    assert found["image/object/area"].tolist() == [4.0, 12.0]
    cropped = tf.io.decode_png(found["image/object/mask"][0])[..., 0]
    np.testing.assert_array_equal(cropped, mask[1:3, 1:3])


def test_our_own_record_read_as_a_source_encodes_to_the_same_bytes(tmp_path):
    triangle = [[0.5, 0.5, 5.5, 0.5, 3, 3.6]]
    objects = [schema.Object(0, (0.3, 0.2, 3.9, 5.7), triangle), schema.Object(0, (0, 0, 1, 1))]
    label_map = schema.LabelMap("m.png", _png(np.eye(4, 6, dtype=np.uint8)))
    sample = schema.Sample(
        "a.png", "x/a.png", "17", labels=[1], objects=objects, label_map=label_map
    )
    names, groups = ["cat", "dog"], ("labels", "objects", "masks", "label_map")
    first = encode.encode(sample, image_files.normalise(PICTURE), names, groups)
    with tf.io.TFRecordWriter(str(tmp_path / "own-train-00000-of-00001.tfrecord")) as writer:
        writer.write(first.record)
    source = tfrecord.read(str(tmp_path), None, labels=names)
    assert source.groups == groups
    (sample,) = source.items
    second = encode.encode(sample, image_files.normalise(PICTURE), names, groups)
    assert second.record == first.record
    assert second.findings == []
