"""Records and image bytes -> examples and upright pixels, all in graph ops.

An example is a dict of tensors. Its image is either `image`, uint8 [H, W, 3] and upright, or
`encoded`, the bytes, decoded only by `pixels` or `crop`, so that a crop decodes what it needs.
One decoder everywhere: JPEG with the accurate integer DCT, which is Pillow's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfvision import schema
from tfvision.ops import masks

Example = dict[str, tf.Tensor]
Window = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# How much of a JPEG is searched for the EXIF orientation; EXIF asks its segment to come first.
_HEADER_BYTES = 1 << 17
_EXIF_MARK = b"Exif"
_ORIENTATION_TAG = 0x0112


# What few images need stays a function of its own in the graph: inlined, its hundreds of nodes
# would be scheduled for every image, though none of them computes anything.
rare = tf.function(autograph=False, experimental_attributes={"_noinline": True})


def parse(serialized: tf.Tensor, fields: Sequence[str]) -> Example:
    """One serialized tf.train.Example -> an example with the `fields` of the schema.

    "image" comes as `encoded` (bytes). Boxes are float32 [N, 4] y x y x in pixels of the
    upright image, and so are proposals [R, 4]; other lists are [N]. `source_id` is always there."""
    scaled = [name for name in ("boxes", "proposals") if name in fields]
    sides = ("height", "width") if scaled else ()  # before the boxes, which need them
    keys = dict.fromkeys((*sides, *fields, "source_id"))
    spec = {}
    for name in keys:
        field = schema.FIELDS[name]
        dtype = tf.as_dtype(field.dtype)
        for key in field.keys:
            if field.many:
                spec[key] = tf.io.VarLenFeature(dtype)
            else:
                default = "" if name in ("source_id", "filename") else None
                spec[key] = tf.io.FixedLenFeature([], dtype, default_value=default)
    parsed = tf.io.parse_single_example(serialized, spec)
    example = {}
    for name in keys:
        field = schema.FIELDS[name]
        values = [parsed[key] for key in field.keys]
        if field.many:
            values = [tf.sparse.to_dense(value) for value in values]
        example["encoded" if name == "image" else name] = values[0]
        if name in scaled:
            size = tf.cast(tf.stack([example["height"], example["width"]] * 2), tf.float32)
            example[name] = tf.stack(values, axis=1) * size
    return example


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation 1..8 of a JPEG's bytes, int32 scalar; 1 where there is none.

    Walks the segments to APP1 and reads tag 0x0112 of its first image directory (EXIF 2.3,
    section 4.6). The walk costs as much as decoding half a small picture, so it starts only
    where a search finds EXIF's mark, of which images from the web have none."""
    marked = tf.io.is_jpeg(encoded) & tf.logical_not(is_plain(encoded))
    return tf.cond(marked, lambda: _walk(encoded), lambda: tf.constant(1))


def is_plain(encoded: tf.Tensor) -> tf.Tensor:
    """Whether these are the bytes of a JPEG without EXIF's mark, bool scalar."""
    head = tf.strings.substr(encoded, 0, _HEADER_BYTES)
    parts = tf.raw_ops.StringSplitV2(input=[head], sep=_EXIF_MARK, maxsplit=1).values
    return tf.io.is_jpeg(encoded) & (tf.size(parts) == 1)


@rare
def _walk(encoded: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation 1..8 in a JPEG's first bytes; 1 where it is elsewhere or broken."""
    head = tf.strings.substr(encoded, 0, _HEADER_BYTES)
    head = tf.io.decode_raw(head, tf.uint8, fixed_length=_HEADER_BYTES)

    def more(at):
        # A marker that starts with FF, carries a length and is not the start of the scan.
        marker = _number(head, at, 2)
        segment = tf.logical_and(marker >= 0xFFC0, tf.not_equal(marker, 0xFFDA))
        return segment & (at < _HEADER_BYTES - 20) & tf.logical_not(_is_exif(head, at))

    def following(at):
        return at + 2 + tf.cast(tf.maximum(_number(head, at + 2, 2), 2), tf.int32)

    (at,) = tf.while_loop(more, lambda at: (following(at),), [tf.constant(2)])
    value = tf.cond(_is_exif(head, at), lambda: _tag(head, at + 10), lambda: 1)
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _number(head: tf.Tensor, at: tf.Tensor, size: int, little: tf.Tensor | bool = False):
    """The number of `size` bytes at `at`, int64; little: its first byte is the lowest."""
    at = tf.clip_by_value(at, 0, _HEADER_BYTES - size)
    values = tf.cast(head[at : at + size], tf.int64)
    values = tf.cond(tf.cast(little, tf.bool), lambda: values[::-1], lambda: values)
    return tf.reduce_sum(values * tf.constant([256**i for i in reversed(range(size))], tf.int64))


def _is_exif(head: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
    """Whether the segment at `at` is APP1 with "Exif", bool scalar."""
    return tf.logical_and(
        tf.equal(_number(head, at, 2), 0xFFE1), tf.equal(_number(head, at + 4, 4), 0x45786966)
    )


def _tag(head: tf.Tensor, tiff: tf.Tensor) -> tf.Tensor:
    """The orientation in the TIFF header at `tiff`, int32; 1 where it has none."""
    little = tf.equal(_number(head, tiff, 2), 0x4949)
    offset = tf.minimum(_number(head, tiff + 4, 4, little), 1 << 17)
    directory = tf.minimum(tiff + tf.cast(offset, tf.int32), _HEADER_BYTES)
    count = tf.cast(_number(head, directory, 2, little), tf.int32)
    room = tf.maximum(_HEADER_BYTES - directory - 2, 0) // 12
    count = tf.minimum(count, room)
    entries = tf.reshape(
        tf.cast(head[directory + 2 : directory + 2 + count * 12], tf.int32), [-1, 12]
    )
    entries = tf.cond(
        little,
        lambda: tf.stack(
            [entries[:, 1] * 256 + entries[:, 0], entries[:, 9] * 256 + entries[:, 8]], axis=1
        ),
        lambda: tf.stack(
            [entries[:, 0] * 256 + entries[:, 1], entries[:, 8] * 256 + entries[:, 9]], axis=1
        ),
    )
    values = tf.boolean_mask(entries[:, 1], tf.equal(entries[:, 0], _ORIENTATION_TAG))
    return tf.cond(tf.size(values) > 0, lambda: values[0], lambda: 1)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns [H, W, C] as its EXIF `orientation` (1..8) asks for."""

    def among(*values):
        return tf.reduce_any(tf.equal(orientation, tf.constant(values)))

    def turn():
        transposed = tf.cond(
            orientation >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image
        )
        transposed = tf.cond(among(2, 3, 6, 7), lambda: transposed[:, ::-1], lambda: transposed)
        return tf.cond(among(3, 4, 7, 8), lambda: transposed[::-1], lambda: transposed)

    return tf.cond(orientation > 1, turn, lambda: image)


def jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """The pixels of a JPEG as stored, uint8 [H, W, 3]."""
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def _whole(encoded: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """The upright pixels of any format, by its EXIF orientation."""
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: jpeg(encoded),
        lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )
    return upright(image, orientation)


@rare
def _other(encoded: tf.Tensor) -> tf.Tensor:
    """The upright pixels of a JPEG with EXIF or of another format."""
    return _whole(encoded, orientation(encoded))


def pixels(example: Example) -> tf.Tensor:
    """The upright pixels of an example, uint8 [H, W, 3]."""
    if "image" in example:
        return tf.convert_to_tensor(example["image"])
    encoded = tf.convert_to_tensor(example["encoded"])
    image = tf.cond(is_plain(encoded), lambda: jpeg(encoded), lambda: _other(encoded))
    return tf.ensure_shape(image, (None, None, 3))


def crop(example: Example, window: Window) -> tuple[tf.Tensor, tf.Tensor]:
    """The upright pixels of a part of an example, uint8 [h, w, 3], and that part, int32 [4].

    window: (height, width) int32 scalars -> the part as int32 [4] = y, x, height, width; an
    upright JPEG decodes no more than that (where its chroma is subsampled, the part's outermost
    columns are interpolated from what is inside only)."""

    def cut(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shape = tf.shape(image)
        part = window(shape[0], shape[1])
        y, x, height, width = tf.unstack(part)
        return image[y : y + height, x : x + width], part

    def of_jpeg(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shape = tf.io.extract_jpeg_shape(encoded)
        part = window(shape[0], shape[1])
        image = tf.image.decode_and_crop_jpeg(
            encoded, part, channels=3, dct_method="INTEGER_ACCURATE"
        )
        return image, part

    @rare
    def of_other(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        exif = orientation(encoded)
        upright_jpeg = tf.io.is_jpeg(encoded) & tf.equal(exif, 1)
        return tf.cond(upright_jpeg, lambda: of_jpeg(encoded), lambda: cut(_whole(encoded, exif)))

    if "image" in example:
        return cut(tf.convert_to_tensor(example["image"]))
    encoded = tf.convert_to_tensor(example["encoded"])
    # One branching alone: each costs every image, and so does what it holds, taken or not.
    image, part = tf.cond(is_plain(encoded), lambda: of_jpeg(encoded), lambda: of_other(encoded))
    return tf.ensure_shape(image, (None, None, 3)), part


def label_map(example: Example) -> tf.Tensor:
    """The class ids of an example's pixels, uint8 [H, W] with void 255, as stored."""
    decoded = tf.io.decode_png(example["label_map"], channels=1)
    return tf.ensure_shape(decoded, (None, None, 1))[:, :, 0]


def object_masks(example: Example) -> tf.Tensor:
    """The masks of an example's objects on the whole image, uint8 [N, H, W] of 0 and 1.

    A PNG is of the whole image or of its box's pixels (`ops.masks.box_bounds`), its own size
    tells which; an empty string, of an object without a mask, is a mask without a pixel."""
    size = tf.cast(tf.stack([example["height"], example["width"]]), tf.int32)

    def one(part):
        png, box = part
        return tf.cond(tf.equal(tf.strings.length(png), 0), nothing, lambda: drawn(png, box))

    def nothing():
        return tf.zeros(size, tf.uint8)

    def drawn(png, box):
        mask = tf.cast(tf.io.decode_png(png, channels=1)[:, :, 0] > 0, tf.uint8)
        low = tf.cast(tf.floor(box[:2] + masks.BOUNDS_TOLERANCE), tf.int32)
        low = tf.clip_by_value(low, 0, size - 1)
        whole = tf.reduce_all(tf.equal(tf.shape(mask), size))
        low = tf.where(whole, 0, low)
        return tf.pad(mask, tf.stack([low, size - low - tf.shape(mask)], axis=1))

    # One object more, so that there is always one to stack.
    pngs = tf.concat([[""], example["masks"]], axis=0)
    boxes = tf.concat([tf.zeros([1, 4]), example["boxes"]], axis=0)
    spec = tf.TensorSpec([None, None], tf.uint8)
    return tf.map_fn(one, (pngs, boxes), fn_output_signature=spec)[1:]
