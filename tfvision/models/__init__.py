"""Networks with their tasks as Keras models: built by name, fitted, saved, and asked.

`keras.models.load_model` finds our models, layers, losses, metrics and optimizers in a process that
has imported this package.
"""

from tfvision import optimizers  # noqa: F401  registers its classes with Keras, as the others do
from tfvision.models.building import build
from tfvision.models.catalog import names, summary
from tfvision.models.keras_model import Model
from tfvision.models.stages_of import BACKBONES, backbone

__all__ = ["BACKBONES", "Model", "backbone", "build", "list", "names", "summary"]

list = names
