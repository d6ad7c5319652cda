"""State dicts of segmentation_models_pytorch -> a net built with the options that fit.

DeepLabV3Plus on a ResNet is `deeplab_v3plus_resnet*` with `deeplab.SMP_OPTIONS`. The names are
ours, but "encoder." stands before those of the backbone. Rates and ways of enlarging are not in
a state dict: other options give a net that takes the weights and computes something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfvision.net import Net
from tfvision.weights import torchvision


def fill(net: Net, state: Mapping[str, np.ndarray], *, skip: Sequence[str] = ()) -> int:
    """Assigns every variable from a state dict; returns the number of values assigned.

    skip: as in `torchvision.fill`. Raises DataError if the two do not agree, and then changes
    nothing."""
    return torchvision.fill(net, state, skip=skip, backbone="encoder.")
