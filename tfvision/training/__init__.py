"""The Trainer and what it keeps in a run folder. Knows `Task`, not the tasks."""

from tfvision.training import strategies
from tfvision.training.auto_precision import settle as settle_precision
from tfvision.training.logs import history
from tfvision.training.precision import policy
from tfvision.training.process import prepare
from tfvision.training.stopping import Interrupted
from tfvision.training.trainer import Trainer

__all__ = [
    "Interrupted",
    "Trainer",
    "history",
    "policy",
    "prepare",
    "settle_precision",
    "strategies",
]
