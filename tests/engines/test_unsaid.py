"""Words taken out of trained models: the others read and say what they did before."""

from __future__ import annotations

from pathlib import Path

import torch

from engines import checkpoint, unsaid
from engines.families.attngan import config as painters
from engines.families.attngan.net import AttnGAN
from engines.families.captioning import config as captioners
from engines.families.captioning.net import Captioner
from engines.family import families

KNOWN = ("<end>", "a", "penis", "red", "drugs", "tree")
LEFT = ("<end>", "a", "red", "tree")


def test_a_painter_reads_the_other_words_as_before(tmp_path: Path) -> None:
    config = painters.Config(KNOWN, len(KNOWN), 4, 6, stages=0, widths=(4, 4, 4, 4), side=32)
    torch.manual_seed(0)
    net, path = AttnGAN(config).eval(), tmp_path / "words.safetensors"
    body = {"family": "attngan", "config": families()["attngan"].to_dict(config)}
    checkpoint.save(path, net.state_dict(), body)
    assert unsaid.main([str(path)]) == 0
    opened = checkpoint.open_checkpoint(path)
    found = painters.recognise(opened)
    assert found is not None and found.vocabulary == LEFT and found.words == 4
    left, _ = families()["attngan"].load(found, opened)
    with torch.inference_mode():
        before = net("read", torch.tensor([[1, 3, 5]]), torch.tensor([3]))
        after = left("read", torch.tensor([[1, 2, 3]]), torch.tensor([3]))
    assert all(torch.equal(one, other) for one, other in zip(before, after))
    assert unsaid.unsay(path, KNOWN[2:3]) == []


def test_a_captioner_never_says_them(tmp_path: Path) -> None:
    config = captioners.Config(
        "late", len(KNOWN), KNOWN, encoder="own", widths=(4, 4), embed=4, attention=4, hidden=6
    )
    torch.manual_seed(0)
    net, path = Captioner(config).eval(), tmp_path / "captions.safetensors"
    body = {"family": "captioning", "config": families()["captioning"].to_dict(config)}
    checkpoint.save(path, net.state_dict(), body)
    assert unsaid.unsay(path, {"penis", "drugs", "unheard"}) == ["penis", "drugs"]
    opened = checkpoint.open_checkpoint(path)
    found = captioners.recognise(opened)
    assert found is not None and found.vocabulary == LEFT
    left, _ = families()["captioning"].load(found, opened)
    rows = [0, 1, 3, 5]
    for name in ("decoder.embedding.weight", "decoder.fc.weight", "decoder.fc.bias"):
        assert torch.equal(left.state_dict()[name], net.state_dict()[name][rows])
