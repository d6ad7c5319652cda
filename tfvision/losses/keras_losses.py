"""The losses on logits as Keras's losses: `loss(y_true, y_pred)`, for `model.compile`.

y_pred: logits, [B, K] or [B, H, W, K]. y_true: class ids, with or without a last axis of 1, or
one-hot. Each class takes the options of its function, and Keras's `reduction` and `name`, and gives
the mean of what the function does. What is ignored or void is no part of that mean, as with
Keras's `ignore_class`.

Axis letters: B images, H, W, K classes.
"""

from __future__ import annotations

from tfvision.losses import classification_losses, distances, segmentation_losses
from tfvision.losses.on_logits import EachClass, OnLogits, OnMaps, OnPixels
from tfvision.schema import VOID
from tfvision.serialization import register


@register
class CrossEntropy(OnLogits):
    """Softmax cross-entropy, `losses.cross_entropy`; maps [B, H, W, K] go too."""

    function = staticmethod(classification_losses.cross_entropy)

    def __init__(
        self,
        *,
        label_smoothing=0.0,
        class_weights=(),
        ignore=None,
        name="cross_entropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.class_weights = label_smoothing, tuple(class_weights)
        self.ignore = ignore


@register
class BinaryCrossEntropy(EachClass):
    """Sigmoid cross-entropy, averaged over the classes, `losses.binary_cross_entropy`.

    ignore: a target (such as -1) whose term counts nowhere."""

    function = staticmethod(classification_losses.binary_cross_entropy)

    def __init__(
        self,
        *,
        label_smoothing=0.0,
        class_weights=(),
        ignore=None,
        name="binary_cross_entropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.class_weights = label_smoothing, tuple(class_weights)
        self.ignore = ignore


@register
class Focal(EachClass):
    """Sigmoid focal loss, summed over the classes, `losses.focal`."""

    function = staticmethod(classification_losses.focal)

    def __init__(self, *, alpha=0.25, gamma=2.0, name="focal", **kwargs):
        super().__init__(name=name, **kwargs)
        self.alpha, self.gamma = alpha, gamma


@register
class SoftmaxFocal(OnLogits):
    """Focal loss where one class excludes the others, `losses.softmax_focal`."""

    function = staticmethod(classification_losses.softmax_focal)

    def __init__(self, *, gamma=2.0, name="softmax_focal", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma


@register
class MAE(OnLogits):
    """The mean of |p - t|, `losses.mae`. on: "softmax", "sigmoid" or "logits", here and below."""

    function = staticmethod(distances.mae)

    def __init__(self, *, on="softmax", name="mae", **kwargs):
        super().__init__(name=name, **kwargs)
        self.on = on


@register
class MSE(OnLogits):
    """The mean of (p - t)^2, `losses.mse`."""

    function = staticmethod(distances.mse)

    def __init__(self, *, on="softmax", name="mse", **kwargs):
        super().__init__(name=name, **kwargs)
        self.on = on


@register
class RMSE(OnLogits):
    """The root of each image's mean of (p - t)^2, `losses.rmse`."""

    function = staticmethod(distances.rmse)

    def __init__(self, *, on="softmax", name="rmse", **kwargs):
        super().__init__(name=name, **kwargs)
        self.on = on


@register
class SmoothL1(OnLogits):
    """`losses.smooth_l1` (Girshick 2015)."""

    function = staticmethod(distances.smooth_l1)

    def __init__(self, *, beta=1.0, on="softmax", name="smooth_l1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.beta, self.on = beta, on


@register
class Huber(OnLogits):
    """`losses.huber` (Huber 1964)."""

    function = staticmethod(distances.huber)

    def __init__(self, *, delta=1.0, on="softmax", name="huber", **kwargs):
        super().__init__(name=name, **kwargs)
        self.delta, self.on = delta, on


@register
class PixelCrossEntropy(OnPixels):
    """Softmax cross-entropy of each labelled pixel, `losses.PIXELS["cross_entropy"]`."""

    function = staticmethod(segmentation_losses.pixel_cross_entropy)

    def __init__(self, *, label_smoothing=0.0, void=VOID, name="pixel_cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.void = label_smoothing, void


@register
class PixelFocal(OnPixels):
    """Focal loss of each labelled pixel, `losses.PIXELS["focal"]`."""

    function = staticmethod(segmentation_losses.pixel_focal)

    def __init__(self, *, gamma=2.0, void=VOID, name="pixel_focal", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gamma, self.void = gamma, void


@register
class Dice(OnMaps):
    """1 - 2 TP / (2 TP + FP + FN) of each image, `losses.dice`."""

    function = staticmethod(segmentation_losses.dice)

    def __init__(self, *, smooth=0.0, void=VOID, name="dice", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smooth, self.void = smooth, void


@register
class Jaccard(OnMaps):
    """1 - intersection over union of each image, `losses.jaccard`."""

    function = staticmethod(segmentation_losses.jaccard)

    def __init__(self, *, smooth=0.0, void=VOID, name="jaccard", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smooth, self.void = smooth, void


@register
class Tversky(OnMaps):
    """1 - TP / (TP + alpha FP + beta FN) of each image, `losses.tversky`."""

    function = staticmethod(segmentation_losses.tversky)

    def __init__(self, *, alpha=0.3, beta=0.7, smooth=0.0, void=VOID, name="tversky", **kwargs):
        super().__init__(name=name, **kwargs)
        self.alpha, self.beta, self.smooth, self.void = alpha, beta, smooth, void


@register
class Lovasz(OnMaps):
    """Lovász-Softmax of each image, `losses.lovasz`."""

    function = staticmethod(segmentation_losses.lovasz)

    def __init__(self, *, void=VOID, name="lovasz", **kwargs):
        super().__init__(name=name, **kwargs)
        self.void = void
