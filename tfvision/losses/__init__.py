"""Losses by name."""

from tfvision.losses.classification import binary_cross_entropy, cross_entropy, focal

LOSSES = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "focal": focal,
}

__all__ = ["LOSSES", "binary_cross_entropy", "cross_entropy", "focal"]
