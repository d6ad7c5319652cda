"""What a network costs and sees, against numbers that one computes by hand."""

import keras
import numpy as np
import pytest

from tfvision import architectures, layers
from tfvision.architectures import summary


@pytest.mark.addons
def test_a_small_graph_with_branches_is_counted_by_hand():
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(4, 3, strides=2, use_bias=True, name="stem.conv")(image)  # 8 x 8
    a = layers.Conv2D(4, (1, 7), name="mix.a")(x)
    b = layers.Conv2D(4, 3, dilation=2, name="mix.b")(x)
    x = layers.Add(name="mix.add")([a, b])
    x = layers.MaxPool2D(2, strides=2, name="pool")(x)  # 4 x 4
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dense(5, name="fc")(layers.GlobalAveragePool(name="mean")(x))
    rows = {row.name: row for row in summary.by_layer(keras.Model({"image": image}, x))}
    assert rows["stem.conv"].output == (8, 8, 4)
    assert rows["stem.conv"].parameters == 3 * 3 * 3 * 4 + 4
    assert rows["stem.conv"].multiply_adds == 8 * 8 * 3 * 3 * 3 * 4
    assert rows["stem.conv"].receptive_field == (3, 3)
    assert rows["mix.a"].receptive_field == (3, 3 + 6 * 2)
    assert rows["mix.b"].receptive_field == (3 + 4 * 2, 3 + 4 * 2)
    assert rows["mix.add"].receptive_field == (11, 15)
    assert rows["mix.add"].activations == 8 * 8 * 4
    assert rows["pool"].receptive_field == (11 + 2, 15 + 2)
    assert (rows["norm"].parameters, rows["norm"].statistics) == (8, 8)
    assert rows["fc"].receptive_field == (float("inf"),) * 2
    assert (rows["fc"].multiply_adds, rows["fc"].parameters) == (20, 25)
    whole = summary.total(list(rows.values()))
    assert whole.parameters == 112 + 4 * 4 * 7 + 4 * 4 * 9 + 8 + 25
    assert whole.output == (5,)


def test_the_stages_of_resnet18_see_what_the_paper_says():
    net = architectures.build("resnet18", num_classes=10, image_size=(224, 224), width=4)
    rows = {row.name: row for row in summary.by_stage(net.serve)}
    assert list(rows) == [
        *("pixels", "conv1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")
    ]
    # conv1 7; pooling + 2 x 2; then two units of two 3x3 convolutions at strides 4, 8, 16, 32.
    fields = {name: int(row.receptive_field[0]) for name, row in list(rows.items())[1:7]}
    assert list(fields.values()) == [7, 11, 43, 99, 211, 435]
    assert [rows[f"layer{i}"].output for i in (1, 2, 3, 4)] == [
        (56, 56, 4),
        (28, 28, 8),
        (14, 14, 16),
        (7, 7, 32),
    ]
    assert rows["fc"].parameters == 32 * 10 + 10


@pytest.mark.parametrize(
    ("name", "size", "giga", "million"),
    [("resnet50", 224, 4.089, 25.557), ("mobilenet_v2", 224, 0.301, 3.505)],
)
def test_totals_are_the_published_ones(name, size, giga, million):
    net = architectures.build(name, num_classes=1000, image_size=(size, size))
    whole = summary.total(summary.by_stage(net.serve))
    assert round(whole.multiply_adds / 1e9, 3) == giga
    assert round(whole.parameters / 1e6, 3) == million


def test_enlarging_layers_by_hand():
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, strides=2, name="down")(image)  # 4 x 4, sees 3, neighbours 2 apart
    y = layers.Conv2DTranspose(5, size=(8, 8), name="up")(x)
    z = layers.Resize((16, 8), name="resize")(y)
    rows = {row.name: row for row in summary.by_layer(keras.Model(image, z))}
    assert rows["up"].receptive_field == (5, 5)  # two of the inputs
    assert rows["up"].multiply_adds == 4 * 4 * 3 * 3 * 5 * 4
    assert rows["resize"].receptive_field == (6, 5)  # two rows, 1 apart; columns stay
    assert rows["resize"].output == (16, 8, 5)


@pytest.mark.parametrize("name", ["fc_densenet_small", "deeplab_v3plus_resnet18", "yolo_v3_small"])
def test_every_task_has_a_table(name):
    net = architectures.build(name, num_classes=3, image_size=(64, 64), width=4)
    rows = summary.by_stage(net.serve)
    assert summary.total(rows).parameters == sum(
        np.prod(v.shape) for v in net.serve.trainable_variables
    )


@pytest.mark.addons
def test_shared_heads_and_regions_are_counted_by_hand():
    options = {"width": 4, "channels": 8, "hidden": 16, "mask_widths": (8,), "post_nms": 5}
    net = architectures.build(
        "mask_rcnn_resnet18_fpn", num_classes=2, image_size=(64, 64), max_detections=3, **options
    )
    rows = summary.by_layer(net.serve)
    count = sum(int(np.prod(v.shape)) for v in net.serve.trainable_variables)
    assert summary.total(rows).parameters == count
    # one 3x3 convolution on maps of 16, 8, 4, 2 and 1 pixels a side
    found = [row for row in rows if row.name == "rpn.head.conv.0.0"]
    assert sorted(row.multiply_adds for row in found) == [
        side * side * 9 * 8 * 8 for side in (1, 2, 4, 8, 16)
    ]
    assert sorted(row.parameters for row in found) == [0, 0, 0, 0, 9 * 8 * 8 + 8]
    named = {row.name: row for row in rows}
    assert named["roi_heads.box_head.fc6"].multiply_adds == 5 * 7 * 7 * 8 * 16
    assert named["roi_heads.mask_head.0.0"].multiply_adds == 3 * 14 * 14 * 9 * 8 * 8
    assert named["roi_heads.mask_predictor.conv5_mask"].multiply_adds == 3 * 14 * 14 * 4 * 8 * 8
    assert named["masks"].activations == 3 * 28 * 28
    assert named["box_features"].receptive_field == (float("inf"),) * 2
    given = architectures.build(
        "fast_rcnn_resnet18_fpn", num_classes=2, image_size=(64, 64), width=4, channels=8, hidden=16
    )
    named = {row.name: row for row in summary.by_stage(given.serve)}
    assert named["roi_heads"].multiply_adds == 7 * 7 * 8 * 16 + 16 * 16 + 16 * 3 + 16 * 12
