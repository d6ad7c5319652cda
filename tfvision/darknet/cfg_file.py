"""The network of a Darknet cfg file (pjreddie/darknet, AlexeyAB/darknet)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from tfvision import errors
from tfvision.darknet import cfg as cfg_text
from tfvision.darknet import cfg_heads, cfg_network
from tfvision.darknet import plan as plans
from tfvision.darknet.cfg import Section
from tfvision.darknet.cfg_network import NORM_ACT
from tfvision.ops.yolo_decode import Head


def load(cfg: str | os.PathLike, *, num_classes: int | None = None) -> list[Section]:
    """The layers' sections of a cfg file.

    num_classes: what the heads must have, where given. Raises DataError for a file that is
    wrong, and UsageError for other classes than the file's."""
    net, *sections = cfg_text.read(cfg)
    if net["channels"] != 3:
        raise errors.DataError(f"{cfg}, {net.where()}: channels={net['channels']}, not 3")
    for section in sections:
        if section.kind in cfg_heads.HEADS and num_classes not in (None, section["classes"]):
            raise errors.UsageError(
                f"{cfg}, {section.where()} has classes={section['classes']}, not {num_classes};"
                " change it there, and the filters= of the layer before it to"
                " boxes * (5 + classes)"
            )
    return sections


def size(cfg: str | os.PathLike) -> tuple[int, int]:
    """(height, width) in pixels of the images that a cfg file says it takes."""
    net = cfg_text.read(cfg)[0]
    if min(net["height"], net["width"]) < 1:
        raise errors.DataError(f"{cfg}, {net.where()} has no width and height")
    return net["height"], net["width"]


def heads(cfg: str | os.PathLike, *, num_classes: int | None = None, **_) -> tuple[Head, ...]:
    """The heads of a cfg file, in the order of the outputs, for images of its own size."""
    return plans.heads(_plan(cfg, num_classes))


def classes(cfg: str | os.PathLike) -> int:
    """The classes of a cfg file's heads, or, without one, the channels that it ends with."""
    plan = _plan(cfg, None)
    planned = plans.heads(plan)
    return planned[0].num_classes if planned else plan[-1].channels


def _plan(cfg, num_classes):
    sections, image_size = load(cfg, num_classes=num_classes), size(cfg)
    with _named(cfg):
        return plans.plan(sections, image_size)


def darknet(image, *, cfg: str | os.PathLike, num_classes: int | None = None, **options) -> dict:
    """The network of a cfg file: `load`, then `cfg_network.build`; options: of NormAct."""
    sections = load(cfg, num_classes=num_classes)
    with _named(cfg):
        return cfg_network.build(image, sections, *errors.take(options, "darknet", NORM_ACT))


@contextlib.contextmanager
def _named(cfg: str | os.PathLike) -> Iterator[None]:
    """Puts the file's name before the messages of what is wrong with it."""
    try:
        yield
    except errors.DataError as error:
        raise errors.DataError(f"{os.fspath(cfg)}, {error}") from error
