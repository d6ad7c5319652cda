"""Losses: functions by name, `CLASSIFICATION`, `SEGMENTATION` and `BOXES` by what they compare, and
the classes that Keras takes (`keras_losses`)."""

from tfvision.losses import named, yolo_losses
from tfvision.losses.classification_losses import (
    binary_cross_entropy,
    cross_entropy,
    focal,
    softmax_focal,
)
from tfvision.losses.distances import huber, mae, mse, rmse, smooth_l1
from tfvision.losses.iou_losses import BOXES, ciou, diou, giou, iou
from tfvision.losses.keras_losses import (
    MAE,
    MSE,
    RMSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Dice,
    Focal,
    Huber,
    Jaccard,
    Lovasz,
    PixelCrossEntropy,
    PixelFocal,
    SmoothL1,
    SoftmaxFocal,
    Tversky,
)
from tfvision.losses.segmentation_losses import (
    dice,
    jaccard,
    lovasz,
    pixel_cross_entropy,
    pixel_focal,
    pixel_weights,
    tversky,
)

# logits [B, K] and targets [B, K] -> [B]
CLASSIFICATION = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "focal": focal,
    "softmax_focal": softmax_focal,
    "mae": mae,
    "mse": mse,
    "rmse": rmse,
    "smooth_l1": smooth_l1,
    "huber": huber,
}
# logits [B, H, W, K] and label maps [B, H, W] -> [B, H, W], weighed by `pixel_weights`
PIXELS = {"cross_entropy": pixel_cross_entropy, "focal": pixel_focal}
# logits [B, H, W, K] and label maps [B, H, W] -> [B]
SEGMENTATION = {
    "dice": dice,
    "jaccard": jaccard,
    "tversky": tversky,
    "lovasz": lovasz,
}
# Those of `CLASSIFICATION` that take on="softmax" (the default), "sigmoid" or "logits"
ON_PROBABILITIES = ("mae", "mse", "rmse", "smooth_l1", "huber")
LOSSES = {**CLASSIFICATION, **SEGMENTATION}

__all__ = [
    "BOXES",
    "CLASSIFICATION",
    "LOSSES",
    "MAE",
    "MSE",
    "ON_PROBABILITIES",
    "PIXELS",
    "RMSE",
    "SEGMENTATION",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Dice",
    "Focal",
    "Huber",
    "Jaccard",
    "Lovasz",
    "PixelCrossEntropy",
    "PixelFocal",
    "SmoothL1",
    "SoftmaxFocal",
    "Tversky",
    "ciou",
    "diou",
    "giou",
    "iou",
    "named",
    "pixel_weights",
    "yolo_losses",
    *LOSSES,
]
