"""Networks of fewer units, for tests of what any depth does: each unit costs seconds to trace.

Every sort of unit is still there: with its stride and without, with its shortcut and without.
"""

from tfvision.architectures.backbones import inception, mobilenet, resnet


def shorten(patch):
    """Shortens ResNet-18 and 50, MobileNetV2 and Inception V3. patch: a monkeypatch."""
    for depth in (18, 50):
        patch.setitem(resnet.UNITS, depth, (1, 1, 1, 1))
    # Of its rows the second alone has a second unit, which adds what it takes.
    rows = [(*row[:2], 2 if n == 1 else 1, row[3]) for n, row in enumerate(mobilenet._ROWS)]
    patch.setattr(mobilenet, "_ROWS", tuple(rows))
    patch.setattr(mobilenet, "_STAGE_ENDS", {1: "c1", 3: "c2", 4: "c3", 6: "c4", 8: "c5"})
    patch.setattr(inception, "BLOCKS_5", {"Mixed_5b": 32})
    patch.setattr(inception, "BLOCKS_6", {"Mixed_6e": 192})
    patch.setattr(inception, "BLOCKS_7", ("Mixed_7c",))
