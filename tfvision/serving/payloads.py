"""The bytes in a request: base64, images and tf.Examples, checked before they join a batch."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfvision import errors
from tfvision.records import image_files
from tfvision.serving import module

PIXELS = image_files.MAX_PIXELS  # of all images of one request; one image may have as many
_URL_SAFE = str.maketrans("-_", "+/")


class BadRequest(errors.TfvisionError):
    """A request that cannot be answered; `status` is HTTP's."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


def is_b64(value: Any) -> bool:
    """Whether a JSON value is {"b64": ...}, TensorFlow Serving's form of bytes."""
    return isinstance(value, dict) and set(value) == {"b64"}


def data(value: Any, what: str) -> bytes:
    """{"b64": text} or text -> bytes. The alphabet may be URL-safe, the padding left out.

    Raises BadRequest that starts with `what`."""
    if isinstance(value, str):
        return value.encode()
    if not is_b64(value) or not isinstance(value["b64"], str):
        raise BadRequest(f'{what}: an image is sent as {{"b64": "..."}}')
    text = "".join(value["b64"].split()).translate(_URL_SAFE)
    if "=" not in text:
        text += "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"{what}: its b64 is broken: {error}") from None


def sound_images(files: Sequence[bytes], what: str, limit: int = PIXELS) -> list[bytes]:
    """Encoded images as TensorFlow decodes them, each decoded once to see that it is intact.

    limit: pixels of all together, counted from the headers before anything is decoded. Raises
    BadRequest that starts with `what` and the place of the bad one; 413 above the limit."""
    total, names = 0, [f"{what} {index}" for index in range(len(files))]
    try:
        for file, name in zip(files, names, strict=True):
            with image_files.opened(file, name) as (image, _):
                total += image.width * image.height
            if total > limit:
                raise BadRequest(
                    f"{name}: the images up to this one have {total:,} pixels, and a request may"
                    f" have {limit:,}; send fewer or smaller images",
                    413,
                )
        return [image_files.normalise(file, n).data for file, n in zip(files, names, strict=True)]
    except errors.DataError as error:
        raise BadRequest(str(error)) from error


def image_of_record(record: bytes, what: str) -> bytes:
    """The encoded image of a serialized tf.train.Example. Raises BadRequest."""
    try:
        features = tf.train.Example.FromString(record).features.feature
        encoded = features[module.ENCODED_KEY].bytes_list.value
    except Exception as error:  # two protobuf packages, two kinds of DecodeError
        raise BadRequest(f"{what}: not a serialized tf.train.Example") from error
    if len(encoded) != 1:
        raise BadRequest(f"{what}: the tf.train.Example has no '{module.ENCODED_KEY}'")
    return encoded[0]
