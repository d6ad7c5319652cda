"""train.xla: the step compiled, and what is said where it cannot be."""

import json

import pytest
import test_trainer

from tfvision import errors

records = test_trainer.records
pytestmark = [pytest.mark.addons, pytest.mark.usefixtures("small_model")]


def test_a_step_compiled_by_xla_learns_the_same(records, tmp_path):
    losses = []
    for xla in (False, True):
        config = test_trainer.small(records, train={"xla": xla, "log_every": 4})
        test_trainer.trainer(config, tmp_path / str(xla)).fit()
        rows = map(json.loads, (tmp_path / str(xla) / "log.jsonl").read_text().splitlines())
        losses.append([row["loss"] for row in rows if row["kind"] == "train"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_what_xla_cannot_compile_is_told_in_one_line(records, tmp_path):
    config = test_trainer.small(records, model={"stem": "imagenet"}, train={"xla": True})
    with pytest.raises(errors.UsageError, match=r"which config\.train\.xla .*: GPU MaxPool"):
        test_trainer.trainer(config, tmp_path / "run").fit()
    assert not (tmp_path / "run").exists()
