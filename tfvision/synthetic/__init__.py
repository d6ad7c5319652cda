"""Demo data sets that need no download: seeded, drawn or bundled with scikit-learn."""

from tfvision.synthetic import balloons, digits

GENERATORS = {
    "balloons": balloons.write,
    "digits": digits.write,
}

__all__ = ["GENERATORS"]
