"""State dicts of torch modules -> a net whose layers carry the modules' paths.

Module "layer1.0.conv1" is our layer "layer1.0.conv1". Its axes are turned: a convolution's
[out, in, h, w] into [h, w, in, out], a dense layer's [out, in] into [in, out]. A segmentation
network's backbone is not called so here: "backbone.layer1.0.conv1" is "layer1.0.conv1" too, and
a classifier's weights fit the backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfvision import errors
from tfvision.net import Net
from tfvision.weights import native, torchvision_rcnn

_BACKBONE = "backbone."
_COUNTER = "num_batches_tracked"  # how many batches the moving statistics have met
# torch's parameter -> the variables that it may be here; the net's layer decides
_VARIABLES = {
    "weight": ("kernel", "gamma", "alpha"),
    "bias": ("bias", "beta"),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}


def fill(
    net: Net,
    state: Mapping[str, np.ndarray],
    *,
    skip: Sequence[str] = (),
    backbone: str = _BACKBONE,
) -> int:
    """Assigns every variable from a state dict; returns the number of values assigned.

    backbone: before the names of modules, where the net has no layer of the whole name.
    skip: regular expressions, searched in our "layer/variable", of variables that stay as they
    are; entries of the file that have no place in the net are matched as "layer/parameter"
    ("fc/weight"), and dropped. Raises DataError if the two do not agree, and then changes
    nothing."""
    names = native.named(net)
    if torchvision_rcnn.is_rcnn(state):
        head = names.get(torchvision_rcnn.CLASSES)
        state = torchvision_rcnn.ours(state, None if head is None else int(head.shape[0]) - 1)
    entries: dict[str, tuple[str, np.ndarray]] = {}
    for source, array in state.items():
        layer, _, leaf = source.rpartition(".")
        if leaf == _COUNTER:
            continue
        choices = [
            f"{name}/{variable}"
            for name in (layer, layer.removeprefix(backbone))
            for variable in _VARIABLES.get(leaf, ())
        ]
        # An entry that the net has no place for is told as unused, unless `skip` names it.
        name = next((choice for choice in choices if choice in names), f"{layer}/{leaf}")
        if name in entries:
            raise errors.DataError(f"'{entries[name][0]}' and '{source}' are both {name}")
        entries[name] = (source, _turned(np.asarray(array)))
    return native.assign(net, entries, skip=skip)


def _turned(array: np.ndarray) -> np.ndarray:
    """torch's axis order -> ours."""
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.transpose() if array.ndim == 2 else array
