"""The Trainer and what it keeps in a run folder. Knows `Task`, not the tasks."""

from tfvision.training.trainer import Interrupted, Trainer, policy

__all__ = ["Interrupted", "Trainer", "policy"]
