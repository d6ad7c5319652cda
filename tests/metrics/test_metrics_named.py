"""The table of metrics by name, and the setting that chooses from it."""

import pytest

from tfvision import config as configs
from tfvision import errors, metrics, tasks

CLASSES = ("a", "b", "c", "d", "e", "f")


@pytest.mark.parametrize("kind", metrics.METRICS)
def test_every_name_makes_metrics_with_numbers_and_a_report(kind):
    assert set(metrics.DEFAULTS[kind]) <= set(metrics.METRICS[kind])
    for name in metrics.METRICS[kind]:
        made = metrics.named(kind, (name,))(CLASSES)
        assert made
        for metric in made:
            assert isinstance(metric, metrics.Metric)
            assert all(isinstance(value, float) for value in metric.result().values())
            assert isinstance(metric.report(), metrics.Report)


def test_the_config_chooses_and_orders_the_metrics():
    def names(**changes):
        config = configs.config(data={"class_names": CLASSES}, **changes)
        return [name for m in tasks.build(config).metrics() for name in m.result()]

    assert names()[:3] == ["top1", "top5", "macro_precision"]
    assert names(metrics=("calibration", "top_k")) == ["calibration_error", "top1", "top5"]
    assert names(head="sigmoid")[0] == "map"
    with pytest.raises(errors.UsageError, match="multi_label metric 'top_k'"):
        names(head="sigmoid", metrics=("top_k",))


def test_a_run_of_before_keeps_its_metrics(tmp_path):
    text = configs.to_json(configs.config(task="detection"))
    older = text.replace('"metrics": [],', "").replace(
        '"nms_iou"', '"metrics": ["voc2007"],\n    "nms_iou"'
    )
    assert configs.from_json(older).metrics == ("voc2007",)


def test_a_run_of_before_keeps_its_resize_and_its_augmentations():
    step = {"name": "random_erase", "color": (1, 2, 3)}
    inputs = {"resize": "center_crop", "augment": ({"name": "grayscale"}, step)}
    text = configs.to_json(configs.config(inputs=inputs))
    older = text.replace("center_", "centre_").replace("grayscale", "grey")
    older = older.replace('"color"', '"colour"').replace("aspect_ratio_grouping", "turned")
    assert "colour" in older
    assert configs.to_json(configs.from_json(older)) == text
