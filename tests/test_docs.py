"""The pages in docs/ name all that a config can choose, and their pictures are there."""

import pathlib
import re

import class_folders
import keras
import pytest

from tfvision import config, losses, metrics, optimizers, registry
from tfvision.architectures import detectors, rcnn, segmenters
from tfvision.inputs import augment, mixing
from tfvision.layers import activations

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGES = {
    "activations": activations.names(),
    "augmentation": [*augment.AUGMENTATIONS, *augment.WINDOWS, *mixing.MIXES, *mixing.BOX_MIXES],
    "losses": [*losses.LOSSES, *losses.PIXELS, *losses.BOXES],
    "metrics": {name: None for names in metrics.METRICS.values() for name in names},
    "optimizers": list(optimizers.OPTIMIZERS),
    "schedules": list(optimizers.schedules.SCHEDULES),
    "normalization": ["bn_momentum", "bn_epsilon", "bn_synchronized", "bn_frozen"],
    "segmentation": list(segmenters.SEGMENTERS),
    "detection": [name for name in detectors.DETECTORS if name not in rcnn.RCNN],
    "rcnn": list(rcnn.RCNN),
    "own_parts": list(registry.TABLES),
    "regularization": ["regularization.l1", "regularization.l2"],
    "keras": [
        name
        for part, base in ((losses, keras.losses.Loss), (metrics, keras.metrics.Metric))
        for name in part.__all__
        if isinstance(kind := getattr(part, name), type) and issubclass(kind, base)
    ],
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_a_row_for_every_name(page):
    rows = [row for row in (DOCS / f"{page}.md").read_text().splitlines() if row.startswith("|")]
    named = set(re.findall(r"`([^`]+)`", "\n".join(rows)))
    assert not set(PAGES[page]) - named


def test_links_lead_somewhere_and_pictures_are_small():
    for path in DOCS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if not link.startswith("http"):
                assert (path.parent / link).is_file(), f"{path.name}: {link}"
    for picture in (DOCS / "pictures").iterdir():
        assert picture.stat().st_size < 150_000, picture.name


def test_the_configs_in_the_pages_are_taken():
    blocks = [
        block
        for page in DOCS.glob("*.md")
        for block in re.findall(r"```python\n(config\(.*?\n\))\n```", page.read_text(), re.S)
    ]
    assert len(blocks) > 1
    for block in blocks:
        eval(block, {"config": config.config})


@pytest.mark.addons
def test_the_examples_for_keras_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "keras.md").read_text(), re.S)
    assert len(blocks) == 7
    names = {}
    for block in blocks:
        exec(block, names)
    assert float(names["loss"]([0], [[0.0, 0.0]])) == pytest.approx(0.693147)


@pytest.mark.addons
def test_the_page_of_data_sets_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """But for what downloads."""
    class_folders.write(tmp_path / "photos", {"": 5}, class_folders.steps(64))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)\n```", (DOCS / "datasets.md").read_text(), re.S)
    blocks = [block for block in blocks if "tfds" not in block]
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert names["work"].summary.splits["train"].images == 10
    assert names["data"].class_names == ("dark", "light")
    written = {"photos", "again", "mine", "scenes", "from_keras", "from_folder"}
    assert {path.name for path in (tmp_path / "data").iterdir()} == written
