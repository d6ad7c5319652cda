"""The stages of a network against those that an oracle recorded."""

import numpy as np


def assert_same(found, golden, nodes):
    """Holds stages [B, H, W, K] to an oracle's means, deviations and corners.

    found: a stage by the name of its node. The first to differ tells where."""
    for node in nodes:
        stats = np.stack([found[node].mean((0, 1, 2)), found[node].std((0, 1, 2))])
        corner = found[node][0, :3, :3, :8].transpose(2, 0, 1)
        wanted, wanted_corner = golden[f"stats_{node}"], golden[f"corner_{node}"]
        assert np.abs(stats - wanted).max() <= 1e-4 * np.abs(wanted).max(), node
        scale = max(1.0, np.abs(wanted_corner).max())
        assert np.abs(corner - wanted_corner).max() <= 1e-4 * scale, node
