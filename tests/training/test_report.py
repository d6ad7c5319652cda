import base64
import html
import html.parser
import io
import json
import re
import types

import class_folders
import numpy as np
import pytest
from PIL import Image

from tfvision import config as configs
from tfvision import tasks, training
from tfvision.metrics import Report
from tfvision.metrics.examples import Example
from tfvision.records import dataset
from tfvision.training import evaluation, report_html, report_plots, run_report

CLASSES = ("dark", "<b>light")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Grey pictures, 6 a class and split, each of a shade of its own; two shards a split."""
    folder = tmp_path_factory.mktemp("greys")
    for split in ("train", "val"):
        for number, name in enumerate(CLASSES):
            place = folder / "images" / split / name
            place.mkdir(parents=True)
            for index in range(6):
                shade = 20 + 120 * number + 15 * index
                Image.new("RGB", (12, 12), (shade,) * 3).save(place / f"{shade}.png")
    return class_folders.convert(folder / "images", folder / "records", shards=2)


class Page(html.parser.HTMLParser):
    """Collects what a page would fetch, its tags and its text."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.tags, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.fetched += [v for k, v in attributes if k in ("src", "href", "srcset", "data")]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_a_report_holds_all_it_shows(records, tmp_path, head):
    config = configs.config(
        head=head,
        data={"path": str(records)},
        model={"name": "resnet18", "width": 4, "stem": "small"},
        inputs={"image_size": (8, 8), "resize": "stretch"},
        train={"batch_size": 6, "steps": 2, "precision": "float32", "report_input": False},
    )
    run = training.Trainer(tasks.build(config), config, str(tmp_path / "run"))
    final = run.fit()
    path = tmp_path / "out" / "report.html"
    results = run_report.write(run, str(path), step=2, split="val")
    assert results == pytest.approx(final)
    page = Page(path.read_text())
    assert page.fetched
    assert all(place.startswith("data:image/") for place in page.fetched)
    assert not {"script", "link", "iframe"} & set(page.tags)
    shown = "calibration error" if head == "softmax" else "average precision"
    for words in (shown, "Learning curves", "Classes, the weakest", "model.width", "12 val"):
        assert words in page.text, words
    assert "<b>light" in page.text  # a class's name is text, never markup
    wrong = sum(place.startswith("data:image/jpeg") for place in page.fetched)
    assert wrong == 12  # every image is either a mistake or among the best


def test_pictures_come_from_their_place_in_the_shards(records):
    data = dataset.read(str(records))
    files = data.files("val")
    shades = []
    for path in files:
        for record in run_report.read.records(path):
            name = run_report.read.text(run_report.read.features(record), "source_id")
            shades.append(int(re.search(r"(\d+)\.png", name)[1]))
    examples = [Example(index, "", False, "") for index in (11, 0, 7)]
    found = run_report.thumbnails(data, "val", examples)
    assert sorted(found) == [0, 7, 11]
    for index, uri in found.items():
        with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as picture:
            assert abs(np.asarray(picture).mean() - shades[index]) < 2


def test_many_classes_leave_those_with_the_most_mistakes():
    confusion = np.eye(40, dtype=int) * 5
    confusion[3, 39] = 7
    rows = report_plots.confused(confusion)
    assert len(rows) == 30
    assert {3, 39} <= set(rows.tolist())
    assert rows.tolist() == sorted(rows.tolist())


def test_a_long_log_is_averaged_and_a_torn_one_is_read(tmp_path):
    entries = [{"kind": "train", "step": i + 1, "loss": float(i % 2)} for i in range(4000)]
    text = "".join(json.dumps(entry) + "\n" for entry in entries) + '{"kind": "tr'
    (tmp_path / "log.jsonl").write_text(text)
    log = run_report.read_log(str(tmp_path))
    steps, values = report_plots.series(log["train"], "loss")
    assert len(log["train"]) == 4000
    assert len(steps) == 400
    np.testing.assert_allclose(values, 0.5)
    np.testing.assert_allclose(steps[0], 5.5)


def test_without_mistakes_the_page_says_so():
    found = {
        "step": 1, "split": "val", "metrics": {"top1": 1.0, "images": 3.0}, "workdir": "runs/x",
        "config": configs.config(data={"class_names": ("a",)}).to_dict(), "versions": {},
        "log": {"train": [], "val": []}, "data": {"val": 3}, "weights": 7, "precision": "float32",
        "lower_is_better": [],
    }  # fmt: skip
    page = Page(report_html.page(found, {}, {"mistakes": [], "best": []}, {}))
    assert "There is none" in page.text


def measured(prefix, ap):
    """What a metric of two classes shows, of boxes or of masks: columns, and one class's curve."""
    columns = {"ap": np.array([ap, np.nan]), "objects": np.array([3, 0])}
    curve = {"recall": np.array([0.5, 1.0]), "precision": np.array([1.0, ap])}
    return Report("", CLASSES, columns, curves={"dark": curve}, prefix=prefix)


def test_boxes_and_masks_have_a_table_and_curves_each():
    kept = [measured("mask_", 0.25), measured("", 0.75), measured("", 0.5)]
    arrays = evaluation.Evaluator.arrays(types.SimpleNamespace(reports=lambda: kept))
    assert arrays["mask_per_class"]["dark"] == {"ap": 0.25, "objects": 3}
    assert arrays["per_class"]["dark"]["ap"] == 0.75  # the first one's
    assert arrays["mask_curves"]["dark"]["precision"][100] == 0.25
    assert arrays["curves"]["dark"]["precision"][100] == 0.75
    numbers = {f"{p}ap{k}": 0.5 for p in ("mask_", "") for k in ("", 50, 75, 90)}
    found = {
        "step": 1, "split": "val", "metrics": {**numbers, "images": 3.0}, "workdir": "runs/x",
        "config": configs.config(data={"class_names": CLASSES}).to_dict(), "versions": {},
        "log": {"train": [], "val": []}, "data": {"val": 3}, "weights": 7, "precision": "float32",
        "lower_is_better": [],
    }  # fmt: skip
    for entries, titles in (
        (arrays, ("Classes (masks), the", "Classes (boxes), the", "recall (masks)", "ll (boxes)")),
        ({k: v for k, v in arrays.items() if "mask" not in k}, ("Classes, the weakest", "recall")),
    ):
        plots = report_plots.plots({**found, **entries})
        assert len(plots) == len(titles) / 2
        shown = {"mistakes": [], "best": []}
        page = Page(report_html.page({**found, **entries}, plots, shown, {}))
        assert [title for title in titles if title not in page.text] == []
        assert ("(boxes)" in page.text) == (entries is arrays)
        assert len(set(page.fetched)) == len(plots)


def test_where_masks_and_boxes_are_measured_both_lead():
    boxes, masks = ["ap", "ap50", "ap75"], ["mask_ap", "mask_ap50", "mask_ap75"]
    assert report_plots.leading([*masks, *boxes], 5) == [*masks, "ap", "ap50"]
    assert report_plots.leading([*boxes, *masks], 2) == ["ap", "mask_ap"]
    assert report_plots.leading(boxes, 2) == ["ap", "ap50"]
    assert report_plots.leading([], 2) == []


def test_a_plot_writes_class_names_as_they_are():
    names = ["$x$", "_led", "猫"]
    curve = {"recall": [0.0, 1.0], "precision": [1.0, 0.5]}
    found = {
        "config": {"data": {"class_names": names}}, "log": {"train": [], "val": []},
        "confusion": np.eye(3, dtype=int).tolist(), "curves": dict.fromkeys(names, curve),
    }  # fmt: skip
    drawn = report_plots.plots(found)
    for plot in ("confusion", "precision_recall"):
        picture = base64.b64decode(drawn[plot].partition(",")[2]).decode()
        assert [name for name in names if name not in html.unescape(picture)] == [], plot
