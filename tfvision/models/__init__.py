"""Networks with their tasks as Keras models: built by name, fitted, saved, and asked."""

from tfvision.models.catalog import names, summary
from tfvision.models.keras_model import Model, build
from tfvision.models.stages_of import BACKBONES, backbone

__all__ = ["BACKBONES", "Model", "backbone", "build", "list", "names", "summary"]

list = names
