"""True verdicts on real files of other people, on official layouts, and on what is no model at
all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import parity
import pytest
import torch

from engines import doctor
from engines.families.pix2pix.config import UNetConfig
from engines.families.pix2pix.net import UNet

WEIGHTS = Path(
    os.environ.get("GANVAS_WEIGHTS", Path(__file__).resolve().parents[3] / "shared" / "weights")
)
REAL = {
    "anime/AnimeGANv3_Shinkai_37.pb": ("other", "cyclegan", "AnimeGANv3"),
    "anime/AnimeGANv3_tiny_Cute.onnx": ("other", "cyclegan", "ONNX"),
    "anime/cartoongan_light_shinkai_ckpt/checkpoint": ("other", "", "TensorFlow checkpoint folder"),
    "anime/cartoongan_light_shinkai_ckpt/generator.data-00000-of-00001": (
        "other",
        "cyclegan",
        "numbers of a TensorFlow",
    ),
    "anime/cartoongan_light_shinkai_ckpt/generator.index": (
        "other",
        "cyclegan",
        "index of a TensorFlow",
    ),
    "broken/truncated_latest_net_G_B.pth": ("refused", None, "cut off"),
    "captioning/WORDMAP_coco_5_cap_per_img_5_min_word_freq.json": (
        "other",
        "captioning",
        "9,486 words without its special",
    ),
    "captioning/coco_vocab_p5.pkl": ("other", "captioning", "vocabulary of 9,948 words"),
    "captioning/flickr_vocab_main.pkl": ("other", "captioning", "vocabulary of 2,550 words"),
    "captioning/udacity_vocab.pkl": ("other", "captioning", "vocabulary of 7,525 words"),
    "cyclegan/horse2zebra_gancomp_latest_net_G.pth": ("other", "cyclegan", "GAN-Compression"),
    "cyclegan/photo2sketch_generator.pth": ("other", "cyclegan", "with instance norm"),
    "cyclegan/strawberry2banana_netG_A2B.pth": ("other", "cyclegan", "without norm"),
    "face/RBF_Final.pth": ("other", "face", "RFB, with landmarks"),
    "face/mtcnn_onet.pt": ("other", "face", "MTCNN, its last stage"),
    "face/mtcnn_pnet.pt": ("other", "face", "MTCNN, its first stage"),
    "face/mtcnn_rnet.pt": ("other", "face", "MTCNN, its second stage"),
    "face/version-RFB-320.onnx": ("other", "face", "ONNX"),
    "face/version-RFB-320.pth": ("other", "face", "RFB-320"),
    "face/yunet_n_320_320.onnx": ("other", "face", "YuNet"),
    "face/yunet_n_dynamic.onnx": ("other", "face", "YuNet"),
    "face/yunet_s_320_320.onnx": ("other", "face", "YuNet"),
    "fast_style/candy_mobilenet.pth": ("other", "neural_style", "MobileNet"),
    "fast_style/candy_nc16.model": ("other", "neural_style", "Johnson"),
    "fast_style/candy_nc8.model": ("other", "neural_style", "Johnson"),
    "fast_style/mosaic_mobilenet.pth": ("other", "neural_style", "MobileNet"),
    "fast_style/mosaic_nc16.model": ("other", "neural_style", "Johnson"),
    "fast_style/mosaic_nc8.model": ("other", "neural_style", "Johnson"),
    "fast_style/rain-princess_nc16.model": ("other", "neural_style", "Johnson"),
    "fast_style_onnx/candy.onnx": ("other", "neural_style", "ONNX"),
    "fast_style_onnx/mosaic.onnx": ("other", "neural_style", "ONNX"),
    "microast/content_encoder_iter_160000.pth.tar": (
        "other",
        "neural_style",
        "encoder of MicroAST",
    ),
    "microast/decoder_iter_160000.pth.tar": ("other", "neural_style", "decoder of MicroAST"),
    "microast/modulator_iter_160000.pth.tar": ("other", "neural_style", "modulator of MicroAST"),
    "microast/style_encoder_iter_160000.pth.tar": ("other", "neural_style", "encoder of MicroAST"),
    "squeezenet/SqueezeNet_fp16.onnx": (
        "other",
        "neural_style",
        "SqueezeNet classifier as an ONNX",
    ),
    "upscale/ESPCN_x4.pb": ("other", "upscale", "TensorFlow"),
    "upscale/FSRCNN_x2.pb": ("other", "upscale", "TensorFlow"),
    "upscale/LapSRN_x2.pb": ("other", "upscale", "TensorFlow"),
    "upscale/swift_srgan_2x.pth.tar": ("other", "upscale", "Swift-SRGAN"),
    "upscale/swift_srgan_4x.pth.tar": ("other", "upscale", "Swift-SRGAN"),
    "upscale/team34_craft_x4.pth": ("other", "upscale", "CRAFT"),
    **{
        f"vgg19_16x_wct/{n}SD.pth": ("other", "neural_style", "decoder of a pruned VGG-19")
        for n in range(1, 6)
    },
    **{
        f"vgg19_16x_wct/{n}SE.pth": ("other", "neural_style", "pruned VGG-19 encoder")
        for n in range(1, 6)
    },
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_of_other_people(name: str) -> None:
    path = WEIGHTS / name
    if not path.is_file():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    kind, family, words = REAL[name]
    verdict = doctor.inspect(path)
    assert (verdict.kind, verdict.family) == (kind, family)
    assert words in verdict.message and path.name in verdict.message
    assert verdict.message.count(". ") == 0 and verdict.message.endswith(".")
    assert json.loads(json.dumps(verdict.to_dict()))["kind"] == kind


def test_no_real_file_is_left_out() -> None:
    if not WEIGHTS.is_dir():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    found = {
        str(p.relative_to(WEIGHTS))
        for p in WEIGHTS.rglob("*")
        if p.is_file() and p.name != "README.md"
    }
    assert found == set(REAL) and len(found) == 52


OFFICIAL = {
    "pix2pix-cyclegan/pix2pix_unet256": ("model", "pix2pix"),
    "pix2pix-cyclegan/cyclegan_resnet9": ("model", "pix2pix"),
    "pix2pix-cyclegan/patchgan70_batch": ("other", "pix2pix"),
    "pix2pix-cyclegan/patchgan70_instance": ("other", "pix2pix"),
    "pix2pix-cyclegan/pixel_d_instance": ("other", "pix2pix"),
    "pix2pixhd/d_multiscale_2": ("other", "pix2pixhd"),
    "pix2pixhd/encoder_and_inputs": ("other", "pix2pixhd"),
    "pix2pixhd/g_global_512p": ("other", "pix2pixhd"),
    "pix2pixhd/g_local_1024p": ("other", "pix2pixhd"),
    "attngan/g_net_bird": ("other", "attngan"),
    "attngan/image_encoder_bird": ("other", "attngan"),
    "attngan/text_encoder_bird": ("other", "attngan"),
    "attngan/attention_bird": ("other", "attngan"),
    "fader/ae256_male": ("other", "fader"),
    "fader/classifier128": ("other", "fader"),
    "deepdream/vgg16_relu4_3": ("other", "neural_style"),
    "neural-style/vgg19_default": ("other", "neural_style"),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_layouts_are_named(name: str, tmp_path: Path) -> None:
    manifest, _ = parity.case(name)
    state = {
        k: torch.zeros(tuple(s), dtype=getattr(torch, d)) for k, s, d in manifest["state_dict"]
    }
    torch.save(state, tmp_path / "official.pth")
    verdict = doctor.inspect(tmp_path / "official.pth")
    assert (verdict.kind, verdict.family) == OFFICIAL[name], verdict.message


def test_the_tensorflow_port_is_a_model(tmp_path: Path) -> None:
    manifest, _ = parity.case("pix2pix-tensorflow/pix2pix_tf_ngf64")
    wide = {
        name: [8 if n == 64 else max(n // 8, 1) if n > 12 else n for n in shape]
        for name, shape, *_ in manifest["variables"]
    }
    np.savez(tmp_path / "variables.npz", **{k: np.zeros(s, np.float32) for k, s in wide.items()})
    verdict = doctor.inspect(tmp_path / "variables.npz")
    assert (verdict.kind, verdict.family) == (
        "model",
        "pix2pix",
    ) and "TensorFlow" in verdict.network


def test_a_model_with_its_repairs(tmp_path: Path) -> None:
    net = UNet(UNetConfig(width=4, depth=6))
    state = {f"module.{k}": v for k, v in net.state_dict().items() if not k.endswith("tracked")}
    torch.save({"state_dict": state}, tmp_path / "latest_net_G.pth")
    verdict = doctor.inspect(tmp_path / "latest_net_G.pth")
    assert verdict.kind == "model" and verdict.families == ("pix2pix",)
    assert len(verdict.notes) == 3 and "U-Net 64" in verdict.message
    assert doctor.inspect(tmp_path).digest == verdict.digest  # a folder with one weights file


def test_a_damaged_model_is_refused_with_the_family_named(tmp_path: Path) -> None:
    state = UNet(UNetConfig(width=4, depth=6)).state_dict()
    state["model.model.0.weight"].fill_(float("nan"))
    torch.save(state, tmp_path / "nan.pth")
    verdict = doctor.inspect(tmp_path / "nan.pth")
    assert (
        verdict.kind == "refused"
        and verdict.family == "pix2pix"
        and "not finite" in verdict.message
    )


@pytest.mark.parametrize(
    ("name", "content"), [("a.pth", b""), ("b.pth", b"hello, world"), ("c.bin", bytes(99))]
)
def test_anything_else_gets_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    verdict = doctor.inspect(tmp_path / name)
    assert verdict.kind == "refused" and verdict.message.endswith(".") and name in verdict.message


def test_unknown_networks_and_folders(tmp_path: Path) -> None:
    torch.save({"mystery.weight": torch.zeros(3)}, tmp_path / "x.pth")
    assert "does not know" in doctor.inspect(tmp_path / "x.pth").message
    torch.save({"mystery.weight": torch.zeros(3)}, tmp_path / "y.pth")
    assert "open one of them" in doctor.inspect(tmp_path).message
    (tmp_path / "empty").mkdir()
    assert "no weights" in doctor.inspect(tmp_path / "empty").message
    assert doctor.inspect(tmp_path / "missing").kind == "refused"
