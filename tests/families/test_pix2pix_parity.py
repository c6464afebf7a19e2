"""The networks and losses of pix2pix against numbers computed by the reference code."""

from __future__ import annotations

import numpy as np
import parity
import pytest
import torch
from PIL import Image

from engines import executor, images, layers, tensors
from engines.families.pix2pix.config import ResNetConfig, TensorFlowConfig, UNetConfig
from engines.families.pix2pix.net import UNet
from engines.families.pix2pix.tensorflow import TensorFlowUNet, from_variables
from engines.residualnet import ResNet


def same_keys(module: torch.nn.Module, manifest: dict) -> None:
    ours = [[k, list(v.shape)] for k, v in module.state_dict().items()]
    assert ours == [entry[:2] for entry in manifest["state_dict"]]


CASES = {
    "pix2pix_unet256": lambda: UNet(UNetConfig()),
    "cyclegan_resnet9": lambda: ResNet(ResNetConfig()),
    "patchgan70_batch": lambda: layers.PatchDiscriminator(6, norm="batch"),
    "patchgan70_instance": lambda: layers.PatchDiscriminator(3, norm="instance"),
    "pixel_d_instance": lambda: layers.PixelDiscriminator(3, norm="instance"),
}


@pytest.mark.parametrize("name", CASES)
def test_keys_and_outputs(name: str) -> None:
    manifest, golden = parity.case(f"pix2pix-cyclegan/{name}")
    module = CASES[name]()
    same_keys(module, manifest)
    assert sum(p.numel() for p in module.parameters()) == manifest["parameters"]
    parity.fill(module, manifest["fill"]).eval()
    given = parity.inputs(manifest)
    for wanted in manifest["golden"]:
        source, mode = wanted.rsplit(".", 1)
        layers.use_batch_statistics(module, mode == "batchstats")
        with torch.inference_mode():
            parity.check(module(given[source]), wanted, manifest, golden)


@pytest.mark.parametrize(
    ("name", "fewer"),
    [("pix2pix_unet256", False), ("cyclegan_resnet9", False), ("cyclegan_resnet9", True)],
)
def test_outputs_through_the_fast_lane(name: str, fewer: bool) -> None:
    manifest, golden = parity.case(f"pix2pix-cyclegan/{name}")
    module = parity.fill(CASES[name](), manifest["fill"]).eval()
    wanted = list(manifest["golden"])[-1]  # with the picture's own statistics where there are two
    layers.use_batch_statistics(module, wanted.endswith(".batchstats"))
    source = parity.inputs(manifest)[wanted.rsplit(".", 1)[0]]
    made = parity.through_lane(module, source, fewer=fewer)
    parity.check(made, wanted, manifest, golden)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="This needs a CUDA card.")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float16, 5e-2)])
@pytest.mark.parametrize("name", ["pix2pix_unet256", "cyclegan_resnet9"])
def test_outputs_on_a_graphics_card(name: str, dtype: torch.dtype, tolerance: float) -> None:
    manifest, golden = parity.case(f"pix2pix-cyclegan/{name}")
    module = parity.fill(CASES[name](), manifest["fill"]).eval()
    module = executor.prepare(module, torch.device("cuda"), dtype)
    given = parity.inputs(manifest)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False, deterministic=True):
        for wanted in manifest["golden"]:
            source, mode = wanted.rsplit(".", 1)
            layers.use_batch_statistics(module, mode == "batchstats")
            with torch.inference_mode():
                made = module(given[source].to("cuda", dtype)).float().cpu()
            known = manifest["golden"][wanted]
            samples = made.numpy().reshape(-1)[:: known["sample_step"]]
            assert np.abs(samples - golden[wanted].reshape(-1)).max() < tolerance, wanted


def test_adversarial_losses() -> None:
    manifest, _ = parity.case("pix2pix-cyclegan/losses_and_preprocess")
    values = manifest["values"]
    scores = parity.picture("loss.pred", tuple(values["gan.input"]["shape"]), "normal")
    for mode in ("lsgan", "vanilla", "wgangp"):
        for side in ("real", "fake"):
            found = layers.GANLoss(mode)(scores, side == "real").item()
            assert found == pytest.approx(values[f"gan.{mode}"][side], rel=1e-4)


def test_gradient_penalty() -> None:
    manifest, _ = parity.case("pix2pix-cyclegan/losses_and_preprocess")
    values = manifest["values"]
    net = parity.fill(layers.PatchDiscriminator(3, 8, norm="instance"), values["gp.net"]["fill"])
    real = parity.picture("loss.gp.real", (2, 3, 64, 64), "uniform")
    fake = parity.picture("loss.gp.fake", (2, 3, 64, 64), "smooth")
    mix = parity.picture("loss.gp.alpha", (2, 1), "unit")
    for name, m in (("real", torch.ones(2, 1)), ("fake", torch.zeros(2, 1)), ("mixed", mix)):
        found = layers.gradient_penalty(net, real, fake, m).item()
        assert found == pytest.approx(values[f"gp.{name}"]["value"], rel=1e-4), name


def test_pix2pix_losses() -> None:
    manifest, _ = parity.case("pix2pix-cyclegan/losses_and_preprocess")
    known = manifest["values"]["pix2pix"]
    rules = known["setup"]["fill"]
    generator = parity.fill(UNet(UNetConfig(width=8, depth=7, dropout=False)), rules["G"]).train()
    judge = parity.fill(layers.PatchDiscriminator(6, 8, norm="batch"), rules["D"]).train()
    a = parity.picture("loss.p2p.A", (1, 3, 128, 128), "smooth")
    b = parity.picture("loss.p2p.B", (1, 3, 128, 128), "uniform")
    criterion = layers.GANLoss("vanilla")
    with torch.no_grad():
        fake = generator(a)
        on_fake = criterion(judge(torch.cat((a, fake), 1)), False).item()
        on_real = criterion(judge(torch.cat((a, b), 1)), True).item()
        gan = criterion(judge(torch.cat((a, fake), 1)), True).item()
        pixel = 100 * (fake - b).abs().mean().item()
    found = {
        "D_fake": on_fake,
        "D_real": on_real,
        "D": (on_fake + on_real) / 2,
        "G_GAN": gan,
        "G_L1": pixel,
        "G": gan + pixel,
    }
    for name, value in found.items():
        assert value == pytest.approx(known[name], rel=1e-4), name


def test_preprocessing() -> None:
    manifest, golden = parity.case("pix2pix-cyclegan/losses_and_preprocess")
    source = parity.source("input:loss.img").integers(0, 256, (97, 150, 3)).astype(np.uint8)
    sizes = {
        "pre.resize_and_crop": (256, 256),
        "pre.none": (152, 96),
        "pre.scale_width_128_crop64": (128, 82),
    }
    for name, size in sizes.items():
        resized = images.resize(source, size)
        assert np.array_equal(
            resized, np.asarray(Image.fromarray(source).resize(size, Image.Resampling.BICUBIC))
        )
        signed = tensors.to_tensor(images.Picture(resized), 3)[0]
        parity.check(signed, name, manifest, golden, 1e-6)


def test_tensor_to_picture_rounds_where_the_reference_truncates() -> None:
    manifest, _ = parity.case("pix2pix-cyclegan/losses_and_preprocess")
    known = manifest["values"]["tensor2im"]
    x = torch.tensor(known["values"])
    ours = tensors.to_picture(x.reshape(1, 1, 1, -1)).pixels.ravel().astype(int)
    theirs = np.array(known["bytes"])
    assert np.array_equal(np.trunc((x.numpy() + 1) / 2 * 255), theirs)
    assert set((ours - theirs).tolist()) <= {0, 1}


def port_judge(variables: dict[str, torch.Tensor], width: int) -> layers.PatchDiscriminator:
    """The port's discriminator is a PatchGAN whose convolutions also have a bias, which its batch
    norms take away again."""
    judge = layers.PatchDiscriminator(6, width, norm="batch")
    state = judge.state_dict()
    for layer, place in enumerate((0, 2, 5, 8, 11), 1):
        name = f"discriminator/layer_{layer}"
        state[f"model.{place}.weight"] = variables[f"{name}/conv2d/kernel"].permute(3, 2, 0, 1)
        if layer in (1, 5):
            state[f"model.{place}.bias"] = variables[f"{name}/conv2d/bias"]
        else:
            state[f"model.{place + 1}.weight"] = variables[f"{name}/batch_normalization/gamma"]
            state[f"model.{place + 1}.bias"] = variables[f"{name}/batch_normalization/beta"]
    judge.load_state_dict(state)
    return judge.train()


def test_tensorflow_port() -> None:
    manifest, golden = parity.case("pix2pix-tensorflow/pix2pix_tf_ngf64")
    shapes = [(v[0], v[1]) for v in manifest["variables"]]
    variables = parity.weights(shapes, manifest["fill"], tensorflow=True)
    net = TensorFlowUNet(TensorFlowConfig()).eval()
    net.load_state_dict(from_variables(variables, 8))
    judge = port_judge(variables, manifest["configuration"]["ndf"])
    x, y = (parity.picture(n, (1, 3, 256, 256), "smooth") for n in ("pt.x", "pt.y"))
    with torch.inference_mode():
        made = net(x)
        real, fake = (judge(torch.cat((x, z), 1)) for z in (y, made))
    found = {"outputs": made, "predict_real": real.sigmoid(), "predict_fake": fake.sigmoid()}
    assert found.keys() == manifest["golden"].keys()
    for name, value in found.items():
        last = value.permute(0, 2, 3, 1).contiguous()
        parity.check(last, name, manifest, golden)
    loss = layers.GANLoss("vanilla")
    losses = {
        "discriminator_loss/Mean": loss(real, True) + loss(fake, False),
        "generator_loss/Mean": loss(fake, True),
        "generator_loss/Mean_1": (made - y).abs().mean(),
    }
    assert losses.keys() == manifest["losses"].keys()
    for name, value in losses.items():
        assert value.item() == pytest.approx(manifest["losses"][name], rel=1e-4), name
