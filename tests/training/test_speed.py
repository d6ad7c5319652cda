import time

import tensorflow as tf

from tfvision.training import speed


def test_the_slower_one_is_named():
    assert speed.limit(100, 1000).endswith("the model is the limit")
    assert "input is the limit" in speed.limit(900, 1000)
    assert speed.limit(1234.4, 99999.6).startswith(
        "the input alone gives 100,000 images/s, training takes 1,234"
    )


def test_a_rate_is_of_batches_after_the_first_ones(monkeypatch):
    def slow(i):
        time.sleep(0.05)
        return i

    data = tf.data.Dataset.range(1000).map(
        lambda i: tf.numpy_function(slow, [i], tf.int64), num_parallel_calls=1
    )
    monkeypatch.setattr(speed, "SECONDS", 0.5)
    assert 0 < speed.input_rate(data) < 21  # a sleep is never shorter than asked for


def test_communication_is_named_where_it_takes_most_of_a_step():
    assert speed.limit(100, 1000, 0.2).endswith(
        "training takes 100, communication 20% of a step: the model is the limit"
    )
    assert "communication is the limit" in speed.limit(100, 1000, 0.7)
