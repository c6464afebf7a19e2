"""The measures of the restorers, held to answers that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage.metrics import structural_similarity

from engines import evaluate_restorers as measure
from engines import images, pairs
from engines.job import Picture


def photo(size: tuple[int, int] = (64, 48), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.ascontiguousarray(images.resize(rough, size))


def test_psnr_is_that_of_its_definition() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert abs(measure.psnr(black + 255, black)) < 1e-9
    assert abs(measure.psnr(black + 51, black) - 20 * np.log10(5)) < 1e-9


def test_ssim_is_that_of_scikit_image() -> None:
    one, other = photo((200, 160)), photo((200, 160))
    other = (other * 0.8 + photo((200, 160), 1) * 0.2).astype(np.uint8)
    grey = [images.to_grey(Picture(x)).pixels for x in (one, other)]
    wanted = structural_similarity(*grey, gaussian_weights=True, sigma=1.5,
                                   use_sample_covariance=False, data_range=255)  # fmt: skip
    assert abs(measure.ssim(other, one) - wanted) < 0.01
    region = np.zeros((160, 200), bool)
    region[40:80] = True
    assert measure.ssim(one, one, region) == 1


def test_sharpness_and_colours() -> None:
    everywhere = np.ones((48, 64), bool)
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None] * 3, 48, 0).repeat(3, 2)
    assert abs(measure.sharpness(ramp, everywhere) - 3) < 0.15
    assert measure.sharpness(pairs.mosaic(photo(), 8), everywhere) < measure.sharpness(
        photo(), everywhere
    )
    assert measure.colourfulness(ramp) == 0 < measure.colourfulness(photo())
    assert measure.chroma_error(photo(), photo()) == 0


def test_a_restorer_that_does_nothing_is_as_good_as_the_trivial_answer() -> None:
    real = photo()

    def plain(values: object = None, **given: np.ndarray) -> np.ndarray:
        seen = given["photo"]
        if seen.ndim == 2:
            return np.repeat(seen[..., None], 3, 2)
        return images.resize(seen, (64, 48)) if "mask" not in given else seen

    for kind, trivial in (("enlarge", "bicubic"), ("colourise", "grey"), ("unmosaic", "mosaic")):
        found, row = measure.KINDS[kind](plain, real, 0)  # pyright: ignore[reportArgumentType]
        same = [name for name in found if f"{name}, {trivial}" in found]
        assert same and all(found[name] == found[f"{name}, {trivial}"] for name in same)
        assert len(row) == 3 and np.array_equal(row[-1], real)


def test_only_held_out_photos_are_measured(tmp_path: Path) -> None:
    names = []
    for one in measure.HELD_OUT:
        (tmp_path / one.folder).mkdir(parents=True)
        for number in range(3):
            name = f"{number}.png"
            (tmp_path / one.folder / name).write_bytes(Picture(photo((33, 26), number)).to_png())
            names.append(f"{name},{'test' if number == 1 else 'train'}")
    (tmp_path / "birds" / "labels.csv").write_text("\n".join(["file,split", *names[-3:]]))
    found = measure.photos(tmp_path, 2)
    assert len(found) == 4 * 2 + 1 and {p.shape for p in found} == {(24, 32, 3)}
    assert np.array_equal(found[-1], photo((33, 26), 1)[:24, :32])
