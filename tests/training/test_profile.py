import numpy as np
import pytest
import test_trainer

from tfvision import errors
from tfvision.training import loop, profile

records = test_trainer.records
pytestmark = pytest.mark.usefixtures("small_model")


def test_recording_ends_a_call_at_its_first_and_last_step():
    asked = profile.Profile("run", (6, 9))
    assert [asked.next(step, 20) for step in (0, 4, 5, 8, 9)] == [5, 5, 9, 9, 20]
    assert asked.next(2, 4) == 4
    assert profile.Profile("run", ()).next(0, 20) == 20


def test_a_profile_is_written_once_and_changes_nothing(records, tmp_path, capsys, monkeypatch):
    calls, take = [], loop.Loop.step
    monkeypatch.setattr(loop.Loop, "step", lambda self: calls.append(take(self)) or calls[-1])
    for name, steps in (("plain", ()), ("profiled", (6, 7))):
        config = test_trainer.small(records, train={"profile_steps": steps, "steps": 10})
        test_trainer.trainer(config, tmp_path / name).fit()
    assert [len(rows) for rows in calls] == [4, 2, 4, 4, 1, 1, 1, 3]  # an epoch has 6
    test_trainer.assert_same_weights(tmp_path / "plain", tmp_path / "profiled")
    (found,) = (tmp_path / "profiled" / "tensorboard").rglob("*.xplane.pb")
    assert found.stat().st_size > 1000
    assert not list((tmp_path / "plain").rglob("*.xplane.pb"))
    assert capsys.readouterr().out.count("the profile of steps 6 to 7 is in") == 1
    assert np.isfinite(np.concatenate(calls)).all()


def test_steps_that_are_no_numbers_are_refused():
    from tfvision.experiments import train

    with pytest.raises(errors.UsageError, match=r"--profile_steps is a,b; give the first"):
        train._steps(["a", "b"])
