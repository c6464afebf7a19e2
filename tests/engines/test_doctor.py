"""True verdicts on real files of other people, on official layouts, and on what is no model at
all."""

from __future__ import annotations

import json
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import parity
import pytest
import torch
from refusal import is_one_sentence

from engines import checkpoint, doctor, torchfile
from engines.families.pix2pix.config import UNetConfig
from engines.families.pix2pix.net import UNet
from engines.family import _FAMILIES, Family, register

WEIGHTS = Path(
    os.environ.get("GANVAS_WEIGHTS", Path(__file__).resolve().parents[3] / "shared" / "weights")
)
REAL = {
    "anime/AnimeGANv3_Shinkai_37.pb": ("other", "anime", "AnimeGANv3"),
    "anime/AnimeGANv3_tiny_Cute.onnx": ("other", "anime", "ONNX"),
    **{
        f"anime/cartoongan_light_shinkai_ckpt/{name}": ("other", "anime", "(CartoonGAN)")
        for name in ("checkpoint", "generator.data-00000-of-00001", "generator.index")
    },
    "broken/truncated_latest_net_G_B.pth": ("refused", None, "cut off"),
    "captioning/WORDMAP_coco_5_cap_per_img_5_min_word_freq.json": (
        "other",
        "captioning",
        "9,486 words without its special",
    ),
    "captioning/coco_vocab_p5.pkl": ("other", "captioning", "vocabulary of 9,948 words"),
    "captioning/flickr_vocab_main.pkl": ("other", "captioning", "vocabulary of 2,550 words"),
    "captioning/udacity_vocab.pkl": ("other", "captioning", "vocabulary of 7,525 words"),
    "cyclegan/horse2zebra_gancomp_latest_net_G.pth": ("model", "cyclegan", "compressed ResNet, 9"),
    "cyclegan/photo2sketch_generator.pth": ("model", "cyclegan", "without blocks"),
    "cyclegan/strawberry2banana_netG_A2B.pth": ("model", "cyclegan", "no norm"),
    "face/RBF_Final.pth": ("other", "face", "RFB, with landmarks"),
    "face/mtcnn_onet.pt": ("other", "face", "MTCNN, its last stage"),
    "face/mtcnn_pnet.pt": ("other", "face", "MTCNN, its first stage"),
    "face/mtcnn_rnet.pt": ("other", "face", "MTCNN, its second stage"),
    "face/version-RFB-320.onnx": ("other", "face", "ONNX"),
    "face/version-RFB-320.pth": ("other", "face", "RFB-320"),
    "face/yunet_n_320_320.onnx": ("finder", "face", "YuNet"),
    "face/yunet_n_dynamic.onnx": ("finder", "face", "YuNet"),
    "face/yunet_s_320_320.onnx": ("finder", "face", "YuNet"),
    "fast_style/candy_mobilenet.pth": ("model", "fast_style", "MobileNet"),
    "fast_style/candy_nc16.model": ("model", "fast_style", "Transformer net, 5"),
    "fast_style/candy_nc8.model": ("model", "fast_style", "Transformer net, 5"),
    "fast_style/mosaic_mobilenet.pth": ("model", "fast_style", "MobileNet"),
    "fast_style/mosaic_nc16.model": ("model", "fast_style", "Transformer net, 5"),
    "fast_style/mosaic_nc8.model": ("model", "fast_style", "Transformer net, 5"),
    "fast_style/rain-princess_nc16.model": ("model", "fast_style", "Transformer net, 5"),
    "fast_style_onnx/candy.onnx": ("model", "fast_style", "Transformer net, 5"),
    "fast_style_onnx/mosaic.onnx": ("model", "fast_style", "Transformer net, 5"),
    **{
        f"microast/{name}_iter_160000.pth.tar": ("other", "any_style", f"{what} of MicroAST; open")
        for name, what in (
            ("content_encoder", "encoder"),
            ("style_encoder", "encoder"),
            ("decoder", "decoder"),
            ("modulator", "modulator"),
        )
    },
    "squeezenet/SqueezeNet_fp16.onnx": ("model", "neural_style", "SqueezeNet 1.1"),
    "upscale/ESPCN_x4.pb": ("other", "enlarge", "enlarger (ESPCN)"),
    "upscale/FSRCNN_x2.pb": ("other", "enlarge", "enlarger (FSRCNN)"),
    "upscale/LapSRN_x2.pb": ("other", "enlarge", "enlarger (LapSRN)"),
    "upscale/swift_srgan_2x.pth.tar": ("model", "enlarge", "Swift-SRGAN ×2"),
    "upscale/swift_srgan_4x.pth.tar": ("model", "enlarge", "Swift-SRGAN ×4"),
    "upscale/team34_craft_x4.pth": ("model", "enlarge", "CRAFT ×4"),
    **{
        f"vgg19_16x_wct/{n}SD.pth": ("other", "any_style", "decoder of a pruned VGG-19")
        for n in range(1, 6)
    },
    **{f"vgg19_16x_wct/{n}SE.pth": ("model", "neural_style", "Pruned VGG-19") for n in range(1, 6)},
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_of_other_people(name: str) -> None:
    path = WEIGHTS / name
    if not path.is_file():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    kind, family, words = REAL[name]
    verdict = doctor.inspect(path)
    assert (verdict.kind, verdict.family) == (kind, family)
    # whatever part of a TensorFlow checkpoint is opened: its index stands for all of it
    named = "generator.index" if verdict.format == "tensorflow-checkpoint" else path.name
    assert words in verdict.message and named in verdict.message
    assert is_one_sentence(verdict.message) and all(is_one_sentence(n) for n in verdict.notes)
    if kind == "other" and family == "face":
        assert "Ganvas finds faces with a network of its own" in verdict.message
    elif kind == "other" and family not in ("", "captioning", "any_style", "enlarge"):
        assert "is not built yet" in verdict.message
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


GRAPHS = [name for name in REAL if name.endswith((".onnx", ".pb", ".index", ".pkl", ".json"))]


@pytest.mark.parametrize("name", [*GRAPHS, "cyclegan/photo2sketch_generator.pth"])
def test_the_name_of_a_file_tells_nothing(name: str, tmp_path: Path) -> None:
    if not (WEIGHTS / name).is_file():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    (tmp_path / "latest_net_G.pth").write_bytes((WEIGHTS / name).read_bytes())
    verdict = doctor.inspect(tmp_path / "latest_net_G.pth")
    assert (verdict.kind, verdict.family) == REAL[name][:2] and REAL[name][2] in verdict.message


@pytest.mark.parametrize("name", [n for n in GRAPHS if n.endswith((".onnx", ".pb"))])
def test_a_graph_that_is_cut_off_is_still_named(name: str, tmp_path: Path) -> None:
    if not (WEIGHTS / name).is_file():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    data = (WEIGHTS / name).read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) * 2 // 3])
    message = doctor.inspect(tmp_path / "cut").message
    assert "that is cut off" in message and ("ONNX" in message or "TensorFlow" in message)


# case and part of it -> what its names and shapes are
OFFICIAL = {
    ("pix2pix-cyclegan/pix2pix_unet256", "state_dict"): ("model", "pix2pix", "U-Net 256"),
    ("pix2pix-cyclegan/cyclegan_resnet9", "state_dict"): ("model", "pix2pix", "ResNet, 9 blocks"),
    ("pix2pix-cyclegan/patchgan70_batch", "state_dict"): ("other", "pix2pix", "discriminator"),
    ("pix2pix-cyclegan/patchgan70_instance", "state_dict"): ("other", "pix2pix", "discriminator"),
    ("pix2pix-cyclegan/pixel_d_instance", "state_dict"): ("other", "pix2pix", "pixel discrim"),
    ("pix2pix-tensorflow/pix2pix_tf_ngf64", "variables"): ("model", "pix2pix", "TensorFlow port"),
    ("pix2pixhd/d_multiscale_2", "state_dict"): ("other", "pix2pixhd", "multi-scale discriminator"),
    ("pix2pixhd/encoder_and_inputs", "state_dict"): ("other", "pix2pixhd", "feature encoder"),
    ("pix2pixhd/g_global_512p", "state_dict"): ("model", "pix2pixhd", "global generator"),
    ("pix2pixhd/g_local_1024p", "state_dict"): ("model", "pix2pixhd", "1 local enhancer"),
    # two levels deep, the layout is that of CycleGAN's generator; its inputs are no picture
    ("pix2pixhd/losses", "state_dict_G"): ("model", "pix2pixhd", "35 classes"),
    ("pix2pixhd/losses", "state_dict_D"): ("other", "pix2pixhd", "multi-scale discriminator"),
    ("attngan/g_net_bird", "state_dict"): ("other", "attngan", "generator"),
    ("attngan/image_encoder_bird", "state_dict"): ("other", "attngan", "image encoder"),
    ("attngan/text_encoder_bird", "state_dict"): ("other", "attngan", "text encoder"),
    ("attngan/attention_bird", "state_dict"): ("other", "attngan", "attention"),
    ("attngan/discriminators_bird", "D_NET64"): ("other", "attngan", "discriminator"),
    ("attngan/discriminators_bird", "D_NET128"): ("other", "attngan", "discriminator"),
    ("attngan/discriminators_bird", "D_NET256"): ("other", "attngan", "discriminator"),
    ("stargan/celeba128_c5", "generator"): ("model", "stargan", "6 blocks of 256"),
    ("stargan/celeba128_c5", "discriminator"): ("other", "stargan", "StarGAN discriminator"),
    ("stargan/rafd128_c8", "generator"): ("model", "stargan", "8 labels"),
    ("icgan/icgan64", "generator"): ("other", "icgan", "IcGAN generator"),
    ("icgan/icgan64", "encoder_z"): ("other", "icgan", "IcGAN encoder"),
    ("icgan/icgan64", "encoder_y"): ("other", "icgan", "IcGAN encoder"),
    ("genegan/genegan64", "variables"): ("model", "genegan", "GeneGAN 64"),
    ("genegan/genegan64_inference", "variables"): ("model", "genegan", "GeneGAN 64"),
    ("fader/ae256_male", "state_dict"): ("model", "fader", "6 levels"),
    ("fader/ae256_male", "latent_discriminator"): ("other", "fader", "latent discriminator"),
    ("fader/ae256_male", "patch_discriminator"): ("other", "fader", "patch discriminator"),
    ("fader/classifier128", "state_dict"): ("other", "fader", "classifier"),
    ("deepdream/vgg16_relu4_3", "state_dict"): ("model", "neural_style", "VGG-16"),
    ("neural-style/vgg19_default", "state_dict"): ("model", "neural_style", "VGG-19"),
}


def layouts(manifest: dict[str, Any]) -> dict[str, list[Any]]:
    """Every list of names and shapes in a manifest, by the key (or part) it stands under."""
    found = {k: v for k, v in manifest.items() if k.startswith("state_dict") or k == "variables"}
    inside = {**manifest, **manifest.get("networks", {}), **manifest.get("parts", {})}
    for key, part in inside.items():
        rows = part.get("state_dict", part.get("tensors")) if isinstance(part, dict) else None
        if isinstance(rows, list):
            found[key] = rows
    return found


def empty(shape: list[int]) -> torch.Tensor:
    """Zeros that take no room in a file, unless there are more than a reader believes."""
    if math.prod(shape) > torchfile.EXPANDED:
        return torch.zeros(shape, dtype=torch.float16)
    return torch.zeros(()).expand(shape)


@pytest.mark.parametrize("case", OFFICIAL, ids="-".join)
def test_official_layouts_are_named(case: tuple[str, str], tmp_path: Path) -> None:
    manifest, _ = parity.case(case[0])
    state = {key: empty(shape) for key, shape, *_ in layouts(manifest)[case[1]]}
    torch.save(state, tmp_path / "official.pth")
    verdict = doctor.inspect(tmp_path / "official.pth")
    kind, family, words = OFFICIAL[case]
    assert (verdict.kind, verdict.family) == (kind, family), verdict.message
    assert words in verdict.message and is_one_sentence(verdict.message)


def test_no_official_layout_is_left_out() -> None:
    if not parity.ROOT.is_dir():
        pytest.skip("The parity fixtures are not here; set GANVAS_PARITY to their folder.")
    found = {
        (str(path.parent.relative_to(parity.ROOT)), name)
        for path in parity.ROOT.rglob("manifest.json")
        for name in layouts(json.loads(path.read_text()))
    }
    assert found == set(OFFICIAL)


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


def test_folders_are_judged_by_what_lies_in_them(tmp_path: Path) -> None:
    folder = WEIGHTS / "anime" / "cartoongan_light_shinkai_ckpt"
    if not folder.is_dir():
        pytest.skip("The real weights files are not here; set GANVAS_WEIGHTS to their folder.")
    verdict = doctor.inspect(folder)
    assert (verdict.kind, verdict.family) == ("other", "anime")
    assert "CartoonGAN" in verdict.message and is_one_sentence(verdict.message)


def test_a_tie_is_told(tmp_path: Path) -> None:
    class Twin(Family):
        id, title = "twin", "Twin"

        def recognise(self, checkpoint: Any) -> Any:
            return checkpoint.shape("model.model.0.weight")

    register(Twin())
    try:
        torch.save(UNet(UNetConfig(width=4, depth=6)).state_dict(), tmp_path / "tie.pth")
        verdict = doctor.inspect(tmp_path / "tie.pth")
    finally:
        del _FAMILIES["twin"]
    assert verdict.kind == "model" and verdict.families == ("pix2pix", "twin")
    assert "fits pix2pix, twin alike" in verdict.message and is_one_sentence(verdict.message)


def test_a_file_of_ours_that_does_not_fit_its_family(tmp_path: Path) -> None:
    metadata = {"family": "pix2pix", "config": {}}
    checkpoint.save(tmp_path / "x.safetensors", {"w": torch.ones(1)}, metadata)
    verdict = doctor.inspect(tmp_path / "x.safetensors")
    assert verdict.kind == "refused" and "says it is a pix2pix model" in verdict.message


def test_a_model_with_planted_code_is_told_in_the_same_sentence(tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    state = UNet(UNetConfig(width=4, depth=6)).state_dict()
    torch.save({"state_dict": state, "hook": Planted()}, tmp_path / "net.pth")
    verdict = doctor.inspect(tmp_path / "net.pth")
    assert verdict.kind == "model" and is_one_sentence(verdict.message)
    assert "it also asks to run posix.system" in verdict.message
    assert not (tmp_path / "ran").exists()


def test_a_net_that_lacks_a_weight_is_refused_without_reading_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = UNet(UNetConfig(width=4, depth=6)).state_dict()
    del state["model.model.3.bias"]
    torch.save(state, tmp_path / "part.pth")
    monkeypatch.setattr(checkpoint.Checkpoint, "tensors", None)
    monkeypatch.setattr(checkpoint.Checkpoint, "not_finite", None)
    verdict = doctor.inspect(tmp_path / "part.pth")
    assert verdict.kind == "refused" and "1 weight is missing" in verdict.message


def test_vocabularies_of_other_layouts(tmp_path: Path) -> None:
    words = {w: n for n, w in enumerate(["<end>", *(f"w{i}" for i in range(40))])}
    numbers = {n: w for w, n in words.items()}
    captions = [[[1, 2], [3]], [[4]], numbers, words]  # captions.pickle of AttnGAN
    (tmp_path / "captions.pickle").write_bytes(pickle.dumps(captions, protocol=2))
    verdict = doctor.inspect(tmp_path / "captions.pickle")
    assert (verdict.kind, verdict.family) == ("other", "attngan")
    (tmp_path / "settings.json").write_text(json.dumps({"a": 1, "b": [2]}))
    assert "text file" in doctor.inspect(tmp_path / "settings.json").message
