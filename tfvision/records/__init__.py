"""Samples <-> TFRecords."""

from tfvision import lazy

__getattr__, __dir__, __all__ = lazy.parts(__name__, __path__)
