"""Pictures in class folders and their records, for tests that need some data set or other."""

import numpy as np
from PIL import Image

from tfvision import sources
from tfvision.records import writer

SHADES = (60, 190)  # of the classes "dark" and "light"


def write(folder, counts, pixels, names=("dark", "light")):
    """Writes FOLDER/<split>/<class>/<i>.png, in this order.

    counts: pictures a class by split; of split "" they lie in FOLDER/<class>. pixels: a function
    of the class's number and i, uint8 [H, W, 3]."""
    for split, count in counts.items():
        for number, name in enumerate(names):
            place = folder / split / name
            place.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(pixels(number, i)).save(place / f"{i}.png")


def shades(side, spread=20):
    """`pixels` of `write`: squares of the class's shade with noise of a standard deviation."""
    rng = np.random.default_rng(0)

    def pixels(number, i):
        noisy = rng.normal(SHADES[number], spread, (side, side, 3))
        return noisy.clip(0, 255).astype(np.uint8)

    return pixels


def steps(side):
    """`pixels` of `write`: plain squares, each a step lighter than the one before."""
    return lambda number, i: np.full((side, side, 3), SHADES[number] + i, np.uint8)


def noise(height, width):
    """`pixels` of `write`: nothing but noise."""
    rng = np.random.default_rng(0)
    return lambda number, i: rng.integers(0, 255, (height, width, 3), np.uint8)


def convert(images, output, splits=("train", "val"), **options):
    """Writes the records of class folders; options: of `writer.Options`."""
    for split in splits:
        source = sources.FORMATS["folder"](str(images), None, split=split)
        writer.write(source, str(output), writer.Options(split=split, **options))
    return output
