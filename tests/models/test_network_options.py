"""The options of networks: dataclasses filled from a mapping, and the layers of NormAct."""

from __future__ import annotations

import dataclasses

import keras
import pytest

from tfvision import architectures, errors, layers
from tfvision.architectures.backbones import mobilenet, resnet


@dataclasses.dataclass(frozen=True)
class Head:
    width: int = 4
    rates: tuple = (1, 2)
    version: str | float = "1.5"
    share: float = 0.5
    fast: bool = False
    norm_act: layers.NormAct = layers.NormAct()


@dataclasses.dataclass(frozen=True)
class Body:
    width: int = 8
    norm_act: layers.NormAct = layers.NormAct("relu6", bn_epsilon=1e-3)


def test_an_option_goes_to_every_dataclass_that_has_it():
    head, body = errors.take({"width": 3, "fast": True}, "net", Head(), Body())
    assert (head.width, body.width, head.fast) == (3, 3, True)
    assert (Head().width, Body().width) == (4, 8)


def test_an_option_of_an_inner_dataclass_leaves_its_other_defaults():
    head, body = errors.take({"bn_momentum": 0.5}, "net", Head(), Body())
    assert head.norm_act == layers.NormAct("relu", None, 0.5, 1e-5)
    assert body.norm_act == layers.NormAct("relu6", None, 0.5, 1e-3)


def test_none_stands_for_the_default():
    head, body = errors.take({"activation": None, "width": None}, "net", Head(), Body())
    assert (head, body) == (Head(), Body())


def test_the_names_of_options_are_those_of_all_fields_once():
    assert errors.option_names(Body(), Head()) == [
        *("width", "activation", "activation_options", "bn_momentum", "bn_epsilon"),
        *("bn_synchronized", "bn_frozen", "rates", "version", "share", "fast"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widht": 3}, r"net has no option 'widht'; did you mean 'width'\? \(its options: width, "),
        ({"norm_act": 3}, "net has no option 'norm_act'"),
        ({"width": "wide"}, "net: width is 'wide', a str; it must be like its default, 4"),
        ({"width": True}, "net: width is True, a bool"),
        ({"rates": 3}, "net: rates is 3, a int"),
        ({"share": "half"}, "net: share is 'half'"),
        ({"fast": "yes"}, "net: fast is 'yes'"),
        ({"bn_frozen": 3}, "net: bn_frozen is 3"),
    ],
)
def test_a_wrong_name_or_type_is_refused(options, message):
    with pytest.raises(errors.UsageError, match=message):
        errors.take(options, "net", Head())


@pytest.mark.parametrize("options", [{"version": 1}, {"version": 1.5}, {"width": 4.0}])
def test_what_a_network_reads_itself_is_left_to_it(options):
    (head,) = errors.take(options, "net", Head())
    assert {name: getattr(head, name) for name in options} == options


def test_norm_act_makes_the_layers_of_its_options():
    norm_act = layers.NormAct("leaky_relu", {"slope": 0.3}, 0.8, 0.02, bn_frozen=True)
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, norm_act(image, "bn", "act"))
    norm, act = model.get_layer("bn"), model.get_layer("act")
    assert (norm.momentum, norm.epsilon, norm.frozen, norm.synchronized) == (0.8, 0.02, True, False)
    assert (act.function, act.options) == ("leaky_relu", {"slope": 0.3})


def test_networks_have_the_defaults_of_their_papers_and_weights():
    assert resnet.Options().norm_act.bn_epsilon is None  # of the version
    assert mobilenet.Options().norm_act.activation == "relu6"
    image = keras.Input((32, 32, 3))
    outputs = resnet.stages(image, resnet.Options(width=4), depth=18, last=1)
    assert keras.Model(image, outputs).get_layer("bn1").epsilon == 1e-5


@pytest.mark.parametrize(
    ("name", "option"),
    [("resnet18", "depth"), ("vgg16", "depth"), ("faster_rcnn_resnet18_fpn", "backbone"),
     ("deeplab_v3_resnet18", "first"), ("deeplab_v1", "bn_momentum"), ("fc_densenet56", "image")],
)  # fmt: skip
def test_an_argument_of_a_function_is_no_option_of_its_network(name, option):
    with pytest.raises(errors.UsageError, match=f"{name} has no option '{option}'"):
        architectures.build(name, num_classes=2, image_size=(64, 64), **{option: 1})
