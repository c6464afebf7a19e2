"""What a dropped file is: family, network, repairs, or in one plain sentence what it is instead.

Decided by names and shapes of weights and by what a graph file says of itself, not by a file's own
name (which only tells the halves of a TensorFlow checkpoint apart). What the families recognise is
theirs; the tables below name what is not, or not yet, ours.
"""

from __future__ import annotations

import fnmatch
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engines import inert
from engines.checkpoint import Checkpoint, CheckpointError, file_digest, open_checkpoint
from engines.family import candidates, families

PLANNED = {
    "cyclegan": "CycleGAN",
    "pix2pixhd": "pix2pixHD",
    "stargan": "StarGAN",
    "attngan": "AttnGAN",
    "captioning": "captioning",
    "icgan": "IcGAN",
    "genegan": "GeneGAN",
    "fader": "Fader Networks",
    "aging": "face ageing",
    "dagan": "DA-GAN",
    "deepdream": "DeepDream",
    "neural_style": "style",
    "upscale": "enlarging",
    "face": "face finding",
}


@dataclass(frozen=True)
class Verdict:
    """kind is "model" (it loads), "other" (known, but nothing to load here) or "refused". `message`
    is one sentence; `notes` are the repairs."""

    kind: str
    message: str
    title: str = ""
    family: str | None = None
    families: tuple[str, ...] = ()
    network: str = ""
    notes: tuple[str, ...] = ()
    tensors: int = 0
    parameters: int = 0
    format: str = ""
    digest: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Mark:
    """Weights known by names (fnmatch) and shapes (None: any length), all of which must be
    there."""

    family: str
    what: str
    keys: tuple[tuple[str, tuple[int | None, ...] | None], ...]


def _mark(family: str, what: str, *keys: str | tuple[str, tuple[int | None, ...]]) -> Mark:
    return Mark(family, what, tuple((k, None) if isinstance(k, str) else k for k in keys))


N = None
MARKS: tuple[Mark, ...] = (
    _mark(
        "cyclegan",
        "a CycleGAN generator compressed by GAN-Compression (separable residual blocks)",
        ("model.1.weight", (N, N, 7, 7)),
        ("model.10.conv_block.1.*weight", (N, 1, 3, 3)),
        "model.26.weight",
    ),
    _mark(
        "cyclegan",
        "a small CycleGAN generator without residual blocks, with instance norm",
        ("main.0.weight", (N, N, 7, 7)),
        ("main.15.weight", (N, N, 7, 7)),
    ),
    _mark(
        "cyclegan",
        "a small CycleGAN generator without residual blocks and without norm",
        ("model.0.weight", (N, N, 7, 7)),
        ("model.10.weight", (N, N, 7, 7)),
    ),
    _mark(
        "pix2pixhd",
        "a pix2pixHD generator with a local enhancer",
        "model1_1.*weight",
        "model.1.weight",
    ),
    _mark(
        "pix2pixhd",
        "a pix2pixHD multi-scale discriminator",
        "scale0_layer0.0.weight",
        "scale1_layer0.0.weight",
    ),
    _mark(
        "pix2pixhd",
        "a pix2pixHD global generator",
        ("model.1.weight", (N, N, 7, 7)),
        ("model.16.conv_block.1.weight", (N, N, 3, 3)),
        ("model.13.weight", (N, N, 3, 3)),
    ),
    _mark(
        "pix2pixhd",
        "a pix2pixHD feature encoder",
        ("model.1.weight", (N, N, 7, 7)),
        ("model.13.weight", (N, N, 3, 3)),
        ("model.16.weight", (N, N, 3, 3)),
    ),
    _mark(
        "pix2pix",
        "a discriminator of pix2pix or CycleGAN, of use only to go on training",
        ("model.0.weight", (N, N, 4, 4)),
        ("model.2.weight", (N, N, 4, 4)),
        ("model.11.weight", (1, N, 4, 4)),
    ),
    _mark(
        "pix2pix",
        "a pixel discriminator of pix2pix, of use only to go on training",
        ("net.0.weight", (N, N, 1, 1)),
        ("net.5.weight", (1, N, 1, 1)),
    ),
    _mark(
        "stargan", "a StarGAN generator", ("main.0.weight", (64, N, 7, 7)), "main.6.main.0.weight"
    ),
    _mark(
        "stargan",
        "a StarGAN discriminator",
        ("main.0.weight", (64, 3, 4, 4)),
        "conv1.weight",
        "conv2.weight",
    ),
    _mark("attngan", "an AttnGAN generator", "ca_net.fc.weight", "h_net1.fc.0.weight"),
    _mark(
        "attngan",
        "an AttnGAN text encoder",
        "encoder.weight",
        "rnn.weight_ih_l0",
        "rnn.weight_ih_l0_reverse",
    ),
    _mark(
        "attngan",
        "an AttnGAN image encoder (Inception-v3)",
        "emb_features.weight",
        "emb_cnn_code.weight",
    ),
    _mark("attngan", "the attention of AttnGAN", "conv_context.weight"),
    _mark(
        "fader", "a Fader Networks autoencoder", "enc_layers.0.0.weight", "dec_layers.0.0.weight"
    ),
    _mark("fader", "a Fader Networks classifier", "conv_layers.0.0.weight", "proj_layers.0.weight"),
    _mark("genegan", "GeneGAN variables", "G_splitter/conv1/W*"),
    _mark(
        "captioning", "a captioning decoder", "embed.weight", "lstm.weight_ih_l0", "linear.weight"
    ),
    _mark(
        "captioning",
        "a captioning net with attention",
        "*attention.encoder_att.weight",
        "*decode_step.weight_ih",
    ),
    _mark(
        "neural_style",
        "a fast style net (Johnson et al.)",
        ("conv1.conv2d.weight", (N, 3, 9, 9)),
        "in1.weight",
        "deconv3.conv2d.weight",
    ),
    _mark(
        "neural_style",
        "a fast style net with MobileNet bottlenecks",
        ("conv1.weight", (N, 3, 9, 9)),
        "in1.weight",
        "upconv1.conv1.*",
        ("conv4.weight", (3, N, 9, 9)),
    ),
    _mark(
        "neural_style",
        "an encoder of MicroAST (any picture as style)",
        "enc1.0.conv_layer.weight",
        "enc2.0.*weight",
    ),
    _mark(
        "neural_style",
        "the decoder of MicroAST (any picture as style)",
        "dec1.conv1.conv_layer.weight",
        "dec3.10.*",
    ),
    _mark(
        "neural_style",
        "the modulator of MicroAST (any picture as style)",
        "weight1.0.conv_layer.weight",
        "bias2.0.conv_layer.weight",
    ),
    _mark(
        "neural_style",
        "a pruned VGG-19 encoder for style transfer (WCT)",
        ("conv0.weight", (3, 3, 1, 1)),
        ("conv11.weight", (N, 3, 3, 3)),
        "conv11_aux.weight",
    ),
    _mark(
        "neural_style",
        "a decoder of a pruned VGG-19 for style transfer (WCT)",
        ("conv11.weight", (3, N, 3, 3)),
    ),
    _mark(
        "neural_style",
        "a VGG classifier, the backbone of style and dream",
        ("features.0.weight", (64, 3, 3, 3)),
        ("features.2.weight", (64, 64, 3, 3)),
        ("features.5.weight", (128, 64, 3, 3)),
    ),
    _mark(
        "upscale",
        "an enlarger (Swift-SRGAN)",
        "initial.cnn.depthwise.weight",
        "final_conv.pointwise.weight",
    ),
    _mark("upscale", "an enlarger (CRAFT)", "relative_position_index_h", "upsample.0.weight"),
    _mark(
        "face",
        "a face detector (MTCNN, its last stage, with landmarks)",
        "prelu1.weight",
        "dense6_3.weight",
    ),
    _mark("face", "a face detector (MTCNN, its second stage)", "prelu1.weight", "dense5_2.weight"),
    _mark("face", "a face detector (MTCNN, its first stage)", "prelu1.weight", "conv4_2.weight"),
    _mark("face", "a face detector (RFB, with landmarks)", "conv1.0.weight", "landm.3.weight"),
    _mark(
        "face", "a face detector (RFB-320)", "base_net.0.0.weight", "regression_headers.3.weight"
    ),
)

# what ONNX and TensorFlow graphs say of themselves: (all of these byte strings, family, what)
GRAPHS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"regression_headers", b"scores", b"boxes"), "face", "a face detector (RFB)"),
    ((b"Feedforward style transfer", b"inputImage"), "neural_style", "a fast style net"),
    ((b"AnimeGANv3_input", b"out_layer"), "cyclegan", "a photo-to-anime net (AnimeGANv3)"),
    ((b"conv1_w_0", b"fire9", b"conv10"), "neural_style", "a SqueezeNet classifier"),
    ((b"NCHW_output", b"IteratorGetNext"), "upscale", "an enlarger"),
    ((b"down_conv1", b"up_conv2"), "cyclegan", "a CartoonGAN generator"),
    ((b"backbone.model0.conv2", b"Conv_0"), "face", "a face detector (YuNet)"),
)


def inspect(path: str | Path) -> Verdict:
    """A verdict on any file or folder; never raises for what is in it."""
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    try:
        opened = open_checkpoint(path)
    except CheckpointError as error:
        return _not_weights(path, error)
    return _weights(opened)


def _weights(opened: Checkpoint) -> Verdict:
    shared: dict[str, Any] = {
        "tensors": len(opened.infos),
        "parameters": opened.parameters,
        "format": opened.format,
        "digest": opened.digest,
        "notes": opened.notes,
    }
    name = opened.path.name
    found = candidates(opened)
    if not found:
        return _foreign(opened, shared)
    family, config = found[0]
    try:
        _, notes = family.load(config, opened)
    except CheckpointError as error:
        return Verdict("refused", str(error), family.title, family.id, **shared)
    card = family.card(config)
    title = str(opened.metadata.get("card", {}).get("title") or card.title)
    kinds = tuple(f.id for f, _ in found)
    message = (
        f"{name} is a {family.title.lower()} model ({card.network}, {opened.parameters:,} "
        "parameters)."
    )
    if len(kinds) > 1:
        message = f"{name} fits {', '.join(kinds)} alike; say which it is."
    return Verdict(
        "model", message, title, family.id, kinds, card.network, **{**shared, "notes": notes}
    )


def _foreign(opened: Checkpoint, shared: dict[str, Any]) -> Verdict:
    name = opened.path.name
    for mark in MARKS:
        if all(_holds(opened, pattern, shape) for pattern, shape in mark.keys):
            return Verdict(
                "other",
                f"{name} is {mark.what}; {_room(mark.family)}.",
                mark.what,
                mark.family,
                **shared,
            )
    claimed = opened.metadata.get("family")
    if claimed:
        return Verdict(
            "refused",
            f"{name} says it is a {claimed} model, but its weights do not fit one.",
            **shared,
        )
    return Verdict(
        "other",
        f"{name} holds {len(opened.infos)} weights of a network that Ganvas does not know (first "
        f"{next(iter(opened.infos))}).",
        **shared,
    )


def _room(family: str) -> str:
    if family in families():
        return "there is nothing to draw with in it"
    return f"the room for {PLANNED[family]} is not built yet"


def _holds(opened: Checkpoint, pattern: str, shape: tuple[int | None, ...] | None) -> bool:
    keys = [pattern] if pattern in opened.infos else fnmatch.filter(opened.infos, pattern)
    return any(shape is None or _alike(opened.infos[key].shape, shape) for key in keys)


def _alike(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == n for n, w in zip(shape, wanted))


# ---- files that hold no weights we can read ------------------------------------------------------


def _not_weights(path: Path, error: CheckpointError) -> Verdict:
    if not path.is_file() or error.kind in ("missing", "empty"):
        return Verdict("refused", str(error))
    digest = file_digest(path)
    if error.kind == "not-weights":
        known = _vocabulary(path) or _graph(path)
        if known:
            return Verdict(
                "other",
                f"{path.name} is {known[1]}.",
                known[1],
                known[0],
                format=known[2],
                digest=digest,
            )
    return Verdict("refused", str(error), digest=digest)


def _graph(path: Path) -> tuple[str, str, str] | None:
    """(family, rest of a sentence, format) of an ONNX or TensorFlow file."""
    size = path.stat().st_size
    if size > 1 << 30:
        return None
    data = path.read_bytes()
    kind = _graph_kind(path, data)
    if kind is None:
        return None
    format, reading = kind
    for marks, family, what in GRAPHS:
        if all(mark in data for mark in marks):
            return family, f"{what} as {reading}; {_room(family)}", format
    if reading.startswith("the list"):
        return "", reading, format
    return "", f"{reading}, of a network that Ganvas does not know", format


def _graph_kind(path: Path, data: bytes) -> tuple[str, str] | None:
    if b"_CHECKPOINTABLE_OBJECT_GRAPH" in data[:4096] or path.suffix == ".index":
        return "tensorflow", "the index of a TensorFlow checkpoint"
    if data[:1] == b"\x08" and (
        b"onnx" in data[:64].lower() or b"pytorch" in data[:64] or path.suffix == ".onnx"
    ):
        return "onnx", "an ONNX graph"
    if data[:1] == b"\n" and any(
        op in data for op in (b"Placeholder", b"IteratorGetNext", b"Conv2D")
    ):
        return "tensorflow", "a frozen TensorFlow graph"
    sibling = path.with_name(path.name.split(".data-", 1)[0] + ".index")
    if ".data-" in path.name and sibling.is_file():
        return (
            "tensorflow",
            "the numbers of a TensorFlow checkpoint (save its variables as .npz to use them)",
        )
    if data.startswith(b"model_checkpoint_path:"):
        return "tensorflow", "the list of a TensorFlow checkpoint folder; open the folder"
    return None


SPECIAL = ({"<start>", "<end>", "<unk>"}, {"<SOS>", "<EOS>", "<UNK>"})


def _vocabulary(path: Path) -> tuple[str, str, str] | None:
    words, form = _words(path)
    if not words:
        return None
    room = _room("captioning")
    if not any(special <= words for special in SPECIAL):
        return (
            "captioning",
            (
                f"a word map of {len(words):,} words without its special words <start>, <end> "
                "and <unk>, "
                "so no captioning net can use it"
            ),
            form,
        )
    return "captioning", f"a vocabulary of {len(words):,} words for captioning; {room}", form


def _words(path: Path) -> tuple[set[str], str]:
    """Words of a vocabulary pickle or a JSON word map; empty for anything else."""
    if path.stat().st_size > 64 << 20:
        return set(), ""
    with path.open("rb") as file:
        head = file.read(2)
    if head[:1] == b"\x80":
        try:
            root = inert.read_legacy(path).root
        except inert.InertError:
            return set(), ""
        tables = (
            root.state if isinstance(root, inert.Inert) else root if isinstance(root, dict) else {}
        )
        for name in ("word2idx", "stoi", "wordtoix", "word_map"):
            if isinstance(tables.get(name), dict):
                return {str(w) for w in tables[name]}, "vocabulary"
        return set(), ""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return set(), ""
    if isinstance(body, dict) and len(body) > 20 and all(isinstance(v, int) for v in body.values()):
        return {str(w) for w in body}, "word-map"
    return set(), ""


def _folder(path: Path) -> Verdict:
    """A TensorFlow checkpoint folder by its index, else the one weights file in it."""
    files = sorted(p for p in path.iterdir() if p.is_file())
    index = next((p for p in files if p.suffix == ".index"), None)
    if index is not None:
        return inspect(index)
    weights = [p for p in files if p.suffix in (".pth", ".pt", ".safetensors", ".npz")]
    if len(weights) == 1:
        return inspect(weights[0])
    if weights:
        return Verdict(
            "refused", f"{path.name} holds {len(weights)} weights files; open one of them."
        )
    return Verdict("refused", f"{path.name} holds no weights file.")
