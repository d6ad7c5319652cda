import numpy as np
import pytest

from tfvision import architectures, errors
from tfvision.architectures.segmenters import ARCHITECTURES, SEGMENTERS

pytestmark = pytest.mark.addons
SMALL = {"width": 4}
RNG = np.random.default_rng(0)


def build(name="deeplab_v3plus_resnet18", size=(32, 48), **options):
    shared = {"num_classes": 3, "image_size": size, **SMALL}
    return architectures.build(name, **shared, **options)


def image(size):
    return {"image": RNG.uniform(0, 255, (2, *size, 3)).astype(np.float32)}


def probabilities(model, batch):
    logits = np.array(model(batch, training=False)["class_logits"], np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_one_network_serves_where_nothing_differs():
    net = build()
    assert net.train is net.serve


def test_training_has_a_canvas_of_its_own_and_the_same_weights():
    net = build(train_size=(33, 32))
    assert net.train.output["class_logits"].shape[1:] == (33, 32, 3)
    assert net.serve.output["class_logits"].shape[1:] == (32, 48, 3)
    assert {id(v) for v in net.train.variables} == {id(v) for v in net.serve.variables}


def test_evaluation_may_have_another_output_stride_with_the_same_weights():
    net = build(eval_options={"output_stride": 8})
    assert {id(v) for v in net.train.variables} == {id(v) for v in net.serve.variables}
    batch = image((32, 48))
    coarse, fine = (probabilities(model, batch) for model in (net.train, net.serve))
    assert np.abs(coarse - fine).max() > 1e-4
    eight = build(output_stride=8)
    for ours, theirs in zip(eight.serve.variables, net.serve.variables, strict=True):
        ours.assign(np.array(theirs))
    np.testing.assert_allclose(probabilities(eight.serve, batch), fine, atol=1e-5)


def test_several_scales_and_the_mirrored_image_are_averaged():
    net = build(eval_scales=(1.0, 0.5), eval_flip=True)
    batch = image((32, 48))
    found = probabilities(net.serve, batch)
    inner = {layer.name: layer for layer in net.serve.layers if layer.name in ("x1", "x0.5")}
    plain = net.train
    mirrored = {"image": batch["image"][:, :, ::-1]}
    whole = (probabilities(plain, batch) + probabilities(plain, mirrored)[:, :, ::-1]) / 2
    assert len(inner) == 2
    half = net.serve.get_layer("x0.5")
    import tensorflow as tf

    parts = []
    for flip in (1, -1):
        small = tf.image.resize(batch["image"][:, :, ::flip], (16, 24))
        logits = half({"image": small}, training=False)["class_logits"]
        large = tf.image.resize(logits, (32, 48))[:, :, ::flip]
        parts.append(np.array(tf.nn.softmax(large), np.float64))
    np.testing.assert_allclose(found, (2 * whole + sum(parts)) / 4, atol=1e-5)
    assert {id(v) for v in net.serve.variables} == {id(v) for v in plain.variables}


def test_image_statistics_in_evaluation_are_an_option_of_tiramisu():
    options = {"blocks": (1, 1, 1), "growth": 2, "width": 4}
    shared = {"num_classes": 2, "image_size": (8, 8), **options}
    net = architectures.build(
        "fc_densenet_small", **shared, eval_options={"bn_image_statistics": True}
    )
    batch = image((8, 8))
    trained = np.array(net.train(batch, training=True)["class_logits"])
    # Dropout is off outside training; with none the two would be equal.
    assert np.abs(probabilities(net.serve, batch) - probabilities(net.train, batch)).max() > 1e-4
    assert trained.shape == (2, 8, 8, 2)
    before = [np.array(v) for v in net.serve.variables]
    net.serve(batch, training=False)
    for old, new in zip(before, net.serve.variables, strict=True):
        np.testing.assert_array_equal(old, np.array(new))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_strid": 8}, "did you mean 'output_stride'"),
        ({"eval_options": {"widht": 8}}, "did you mean 'width'"),
        ({"eval_scales": (0.0,)}, "positive factors"),
        ({"eval_scales": ()}, "positive factors"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(errors.UsageError, match=message):
        build(**options)


def test_every_architecture_has_a_name():
    assert set(SEGMENTERS) == set(ARCHITECTURES) <= set(architectures.names())
