"""Backbones: the same function as torchvision's networks, recognised by names and shapes, with
layers by name and a table that tells the truth."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from engines import backbonenet, backbones, classnames
from engines.backbonefamily import class_control
from engines.backbones import GOOGLENET, SQUEEZENET, STARTER, VGG16, VGG19, Config
from engines.checkpoint import CheckpointError, open_checkpoint, save
from engines.controls import ClassChoice, Slider
from engines.download import DownloadError

OLD_SQUEEZENET = Config("squeezenet", (96,), (0,))
TINY = Config(widths=(4, 6, 8), depths=(2, 1, 2), classes=5, hidden=0)
TORCHVISION = {
    "vgg16": VGG16,
    "vgg19": VGG19,
    "vgg16_bn": replace(VGG16, norm=True),
    "googlenet": GOOGLENET,
    "squeezenet1_0": OLD_SQUEEZENET,
    "squeezenet1_1": SQUEEZENET,
}


def theirs(name: str, **more: Any) -> nn.Module:
    if name == "googlenet":
        more |= {"aux_logits": False, "init_weights": False, "transform_input": False}
    return getattr(torchvision.models, name)(**more)


def small(name: str) -> tuple[nn.Module, Config]:
    """torchvision's network with a small head, its weights random but alive in every layer."""
    torch.manual_seed(1)
    net = theirs(name, num_classes=7).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    return net, replace(TORCHVISION[name], classes=7)


@pytest.mark.parametrize("name", TORCHVISION)
def test_has_the_names_and_shapes_of_torchvision(name: str) -> None:
    with torch.device("meta"):
        known = {k: tuple(v.shape) for k, v in theirs(name).state_dict().items()}
        ours = backbonenet.Backbone(TORCHVISION[name]).state_dict()
    assert {k: tuple(v.shape) for k, v in ours.items()} == known
    counters = {k for k in known if k.endswith("num_batches_tracked")}
    assert backbones.shapes(TORCHVISION[name]) == {
        k: v for k, v in known.items() if k not in counters
    }


@pytest.mark.parametrize("name", ["googlenet", "squeezenet1_0", "squeezenet1_1"])
def test_gives_the_class_scores_of_torchvision(name: str, tmp_path: Path) -> None:
    net, config = small(name)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    opened = open_checkpoint(tmp_path / "net.pth")
    assert backbones.recognise(opened) == config
    ours, _ = backbonenet.load(config, opened)
    x = torch.randn((2, 3, 97, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = net(x), ours(x, ["class"])["class"]
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_gives_the_maps_of_torchvisions_vgg() -> None:
    torch.manual_seed(2)
    net = theirs("vgg16").features.eval()  # type: ignore[union-attr]
    ours = backbonenet.Backbone(replace(VGG16, classes=0)).eval()
    ours.load_state_dict({f"features.{k}": v for k, v in net.state_dict().items()})
    x = torch.randn((1, 3, 40, 56))
    places = {"relu1_1": 1, "conv1_2": 2, "pool1": 4, "conv4_2": 19, "relu5_3": 29, "pool5": 30}
    with torch.no_grad():
        found = ours(x, list(places))
        for name, place in places.items():
            x_at = nn.Sequential(*[_copying(m) for m in list(net)[: place + 1]])(x)
            assert torch.allclose(found[name], x_at, atol=1e-6), name


def _copying(layer: nn.Module) -> nn.Module:
    return nn.ReLU() if isinstance(layer, nn.ReLU) else layer


@pytest.mark.parametrize(
    "config", [GOOGLENET, SQUEEZENET, OLD_SQUEEZENET, replace(VGG19, classes=0), STARTER]
)
def test_the_table_says_what_a_pass_gives(config: Config) -> None:
    table = {row.name: row for row in backbones.layer_table(config)}
    with torch.device("meta"):
        net = backbonenet.Backbone(config).eval()
        x = torch.empty((1, 3, 512, 512))
        made = net(x, list(table))
    for name, row in table.items():
        assert made[name].shape[1] == row.channels
        assert made[name].shape[-1] == pytest.approx(512 / row.stride, rel=0.1), name
    heads = ("classifier", "fc", "head")
    given = sum(v.numel() for k, v in net.named_parameters() if not k.startswith(heads))
    assert sum(row.parameters for row in table.values()) == given


@pytest.mark.parametrize("layer", ["relu1_2", "relu2_1", "conv3_2"])
def test_the_receptive_field_is_what_a_number_sees(layer: str) -> None:
    """The gradient of one number, by the picture, of a network whose weights are all positive."""
    net = backbonenet.Backbone(TINY).eval()
    for weight in net.parameters():
        nn.init.constant_(weight, 0.1)
    x = torch.ones((1, 3, 96, 96), requires_grad=True)
    made = net(x, [layer], "average")[layer]
    made[0, 0, made.shape[2] // 2, made.shape[3] // 2].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].abs().sum(0).nonzero()
    row = next(r for r in backbones.layer_table(TINY) if r.name == layer)
    assert int(seen.max() - seen.min()) + 1 == row.field


def test_computes_nothing_below_the_deepest_layer_asked_for() -> None:
    net = backbonenet.random(TINY)
    ran: list[str] = []
    for name, layer in net.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda *_, name=name: ran.append(name))
    net(torch.rand((1, 3, 32, 32)), ["relu1_1", "pool1"])
    assert ran == ["features.0", "features.2"]


def test_asking_for_a_layer_before_its_activation_keeps_it() -> None:
    net = backbonenet.random(TINY)
    x = torch.randn((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    both = net(x, ["conv2_1", "relu2_1"])
    assert float(both["conv2_1"].min()) < 0
    assert torch.equal(both["conv2_1"].relu(), both["relu2_1"])


@pytest.mark.parametrize("scale", backbones.SCALES)
def test_entering_and_leaving_are_inverse(scale: Any) -> None:
    net = backbonenet.Backbone(replace(TINY, scale=scale))
    rgb = torch.rand((1, 3, 8, 8))
    assert torch.allclose(net.leave(net.enter(rgb)), rgb, atol=1e-6)


def test_the_scales_are_those_of_their_publishers() -> None:
    red = torch.zeros((1, 3, 1, 1))
    red[:, 0] = 1
    entered = {s: backbonenet.Backbone(replace(TINY, scale=s)).enter(red).flatten().tolist()
               for s in ("imagenet", "caffe", "signed")}  # fmt: skip
    assert entered["imagenet"][0] == pytest.approx((1 - 0.485) / 0.229)
    assert entered["caffe"] == pytest.approx([-103.939, -116.779, 255 - 123.68])
    assert entered["signed"] == pytest.approx([1, -1, -1])


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "said", "meant"),
    [
        (VGG19, "relu4_2", "relu4_2"),
        (VGG19, "r42", "relu4_2"),
        (VGG19, "Conv5-4", "conv5_4"),
        (GOOGLENET, "inception_4c/output", "inception4c/output"),
        (GOOGLENET, "inception4c", "inception4c/output"),
        (GOOGLENET, "inception4c/relu_3x3", "inception4c/relu_3x3"),
        (SQUEEZENET, "fire5", "fire5/concat"),
    ],
)
def test_a_layer_is_found_in_any_common_spelling(config: Config, said: str, meant: str) -> None:
    assert backbones.find_layer(config, said) == meant


def test_an_unknown_layer_is_refused_with_examples() -> None:
    with pytest.raises(backbones.LayerError, match=r"VGG-16 has no layer “relu4_4”.*relu4_1"):
        backbones.find_layer(VGG16, "relu4_4")


@pytest.mark.parametrize("config", [VGG16, VGG19, GOOGLENET, SQUEEZENET, OLD_SQUEEZENET, STARTER])
def test_the_usual_layers_are_there(config: Config) -> None:
    known = backbones.layer_names(config)
    assert {backbones.default_content(config), *backbones.default_style(config)} <= set(known)


# ---- files ---------------------------------------------------------------------------------------


def written(config: Config, path: Path, **more: torch.Tensor) -> Path:
    torch.save({**backbonenet.random(config).state_dict(), **more}, path)
    return path


def test_a_caffe_file_is_known_by_its_keys_and_by_its_name(tmp_path: Path) -> None:
    config = Config(widths=(2, 3), depths=(1, 1), classes=3, hidden=4)
    state = backbonenet.random(config).state_dict()
    old = {k.replace("r.3.", "r.4.").replace("r.0.", "r.1."): v for k, v in state.items()}
    torch.save(old, tmp_path / "old.pth")
    opened = open_checkpoint(tmp_path / "old.pth")
    assert backbones.recognise(opened) == replace(config, scale="caffe")
    net, _ = backbonenet.load(config, opened)
    assert torch.equal(net.state_dict()["classifier.3.bias"], state["classifier.3.bias"])
    named = open_checkpoint(written(config, tmp_path / "vgg19-d01eb7cb.pth"))
    assert backbones.recognise(named) == replace(config, scale="caffe")
    plain = open_checkpoint(written(config, tmp_path / "vgg19-dcbb9e9d.pth"))
    assert backbones.recognise(plain) == config


def test_a_file_of_ours_tells_its_scale(tmp_path: Path) -> None:
    config = replace(TINY, scale="signed")
    path = tmp_path / "ours.safetensors"
    save(path, backbonenet.random(config).state_dict(), backbones.to_metadata(config))
    assert backbones.recognise(open_checkpoint(path)) == config


def test_a_file_of_ours_tells_the_names_of_its_classes(tmp_path: Path) -> None:
    state = backbonenet.random(TINY).state_dict()
    names = ("owl", "fox", "cat", "hat", "sky")
    kept = backbones.to_metadata(TINY)
    for n, (metadata, told) in enumerate((
        ({**kept, "classes": list(names)}, names),  # as it is trained
        (backbones.to_metadata(replace(TINY, names=names)), names),  # as it is converted
        ({**kept, "classes": ["owl"]}, ()),
    )):  # fmt: skip
        path = tmp_path / f"{n}.safetensors"
        save(path, state, metadata)
        assert backbones.recognise(open_checkpoint(path)) == replace(TINY, names=told)


def test_the_names_of_imagenet_are_those_of_torchvisions_weights() -> None:
    from torchvision.models import VGG19_Weights

    assert list(classnames.known(1000)) == VGG19_Weights.IMAGENET1K_V1.meta["categories"]
    assert classnames.known(999) == ()
    control = class_control(VGG19)
    assert isinstance(control, ClassChoice) and control.names[281] == "tabby"
    assert class_control(TINY) == Slider("class", "Number of the class", 0, 4, 1, 0)


def test_what_only_training_used_is_left_out(tmp_path: Path) -> None:
    config = replace(GOOGLENET, widths=(8,), classes=3)
    path = written(config, tmp_path / "google.pth", **{"aux1.fc1.weight": torch.ones(2, 2)})
    opened = open_checkpoint(path)
    assert backbones.recognise(opened) == config
    net, _ = backbonenet.load(config, opened)
    assert net(torch.rand((1, 3, 32, 32)), ["class"])["class"].shape == (1, 3)


@pytest.mark.parametrize("damage", ["missing", "surplus", "shape"])
def test_what_is_not_whole_is_not_ours(damage: str, tmp_path: Path) -> None:
    state = dict(backbonenet.random(TINY).state_dict())
    if damage == "missing":
        del state["features.2.bias"]
    elif damage == "surplus":
        state["features.2.extra"] = torch.ones(2)
    else:
        state["features.2.bias"] = torch.ones(3)
    torch.save(state, tmp_path / "net.pth")
    assert backbones.recognise(open_checkpoint(tmp_path / "net.pth")) is None


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = written(TINY, tmp_path / "n.pth", **{"features.0.bias": torch.full((4,), float("nan"))})
    with pytest.raises(CheckpointError, match="not finite"):
        backbonenet.load(TINY, open_checkpoint(path))


def test_folding_the_norms_changes_nothing() -> None:
    config = replace(TINY, norm=True)
    net = backbonenet.random(config)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.uniform_(0.5, 2)
            layer.running_mean.normal_()  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    plain = backbonenet.Backbone(TINY).eval()
    plain.load_state_dict(backbonenet.folded(net.state_dict(), config))
    x = torch.randn((1, 3, 33, 32))
    for name in ("conv1_1", "relu3_2", "class"):
        assert torch.allclose(plain(x, [name])[name], net(x, [name])[name], atol=1e-5)


# ---- fetching ------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path.strip("/"))
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}/", files
    running.shutdown()
    thread.join()
    running.server_close()


def test_published_weights_come_verified_and_load(
    server: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    url, files = server
    body = written(TINY, tmp_path / "made.pth").read_bytes()
    name = f"tiny-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    files[name] = body
    known = {"tiny": backbones.Published("tiny", "Tiny", url + name)}
    steps = list(backbones.download("tiny", tmp_path / "models", known))
    assert steps[-1].done == len(body)
    assert backbones.recognise(open_checkpoint(tmp_path / "models" / name)) == TINY
    files.clear()
    assert not list(backbones.download("tiny", tmp_path / "models", known))  # it is there


def test_other_bytes_than_promised_are_refused(
    server: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    url, files = server
    files["tiny-00000000.pth"] = b"something else"
    known = {"tiny": backbones.Published("tiny", "Tiny", url + "tiny-00000000.pth")}
    with pytest.raises(DownloadError, match="not the one that was promised"):
        list(backbones.download("tiny", tmp_path, known))
    assert not (tmp_path / "tiny-00000000.pth").exists()


def test_published_addresses_are_torchvisions() -> None:
    for name, known in backbones.PUBLISHED.items():
        weights = torchvision.models.get_model_weights(name)
        assert known.url in {w.url for w in weights}
        assert len(known.sha256) == 8


def test_metadata_is_plain_data() -> None:
    body = json.loads(json.dumps(backbones.to_metadata(STARTER)))
    assert Config.from_dict(body[backbones.METADATA]) == STARTER
