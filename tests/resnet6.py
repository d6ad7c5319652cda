"""A ResNet of two units, for tests of what any network does: the published ones take long to trace.

Axis letters: K classes.
"""

import keras

from tfvision import architectures, errors, layers
from tfvision.architectures.backbones import resnet
from tfvision.architectures.classifiers import CLASSIFIERS
from tfvision.net import Net

NAME = "resnet6"


def build(*, num_classes, image_size, dropout=0.0, **options):
    """ "conv1", "layer1.0", "layer2.0" and "fc", with the options of a ResNet."""
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    (body,) = errors.take(options, NAME, resnet.Options())
    x = resnet.stages(image, body, depth=6, last=3)["c3"]
    x = layers.GlobalAveragePool(name="avgpool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, name="fc", dtype="float32")(x)
    model = keras.Model({"image": image}, {"class_logits": logits}, name=NAME)
    return Net(model, model)


def register(put=dict.__setitem__):
    """Makes "resnet6" a model of this process. put: dict.__setitem__, or monkeypatch.setitem."""
    put(resnet.UNITS, 6, (1, 1))
    for table in (architectures.MODELS, CLASSIFIERS):
        put(table, NAME, build)
