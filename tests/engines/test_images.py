"""Every mode, orientation, size and kind of damage that a picture file can bring."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from engines import images
from engines.images import ImageError, open_picture, save_picture
from engines.job import Job, Picture, job_from_png

WIDTH, HEIGHT = 9, 5


def ramp(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Grey (H, W) that rises to the right and, less, downwards, from 0 to 255."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    values = x * height + y
    return np.rint(values / max(values.max(), 1) * 255).astype(np.uint8)


def colours(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    grey = ramp(width, height)
    return np.dstack((grey, 255 - grey, np.full_like(grey, 40)))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunks(header: bytes, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand, for the forms that Pillow cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    parts = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def deep_png(values: np.ndarray, colour_type: int, *extra: tuple[bytes, bytes]) -> bytes:
    """16 bits a channel; values (H, W) or (H, W, C) uint16."""
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png_chunks(header, rows, *extra)


# ---- modes ---------------------------------------------------------------------------------------


def test_one_bit_becomes_black_and_white() -> None:
    bits = ramp() > 128
    picture = open_picture(encoded(Image.fromarray(bits)))
    assert np.array_equal(picture.pixels, bits * 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_grey(kind: str) -> None:
    assert np.array_equal(open_picture(encoded(Image.fromarray(ramp()), kind)).pixels, ramp())


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_colour(kind: str) -> None:
    assert np.array_equal(open_picture(encoded(Image.fromarray(colours()), kind)).pixels, colours())


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_with_alpha(kind: str) -> None:
    grey, alpha = ramp(), ramp()[::-1]
    image = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(np.ascontiguousarray(alpha))))
    picture = open_picture(encoded(image, kind))
    assert np.array_equal(picture.pixels, np.dstack((grey, grey, grey, alpha)))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_colour_with_alpha(kind: str) -> None:
    pixels = np.dstack((colours(), ramp()[:, ::-1]))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = open_picture(encoded(Image.fromarray(pixels), kind, **options))
    assert np.array_equal(picture.pixels, pixels)


def palette_image() -> Image.Image:
    image = Image.fromarray(
        (np.arange(WIDTH * HEIGHT, dtype=np.uint8) % 4).reshape(HEIGHT, WIDTH), "P"
    )
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
    return image


def test_palette() -> None:
    picture = open_picture(encoded(palette_image()))
    assert picture.pixels[0, :4].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 128, 255])])
def test_palette_with_transparency(transparency: int | bytes) -> None:
    picture = open_picture(encoded(palette_image(), transparency=transparency))
    assert picture.pixels[0, 0].tolist() == [255, 0, 0, 255]
    assert picture.pixels[0, 1].tolist() == [0, 255, 0, 0]
    assert picture.pixels[0, 2, 3] == (255 if transparency == 1 else 128)


def test_one_transparent_colour_in_a_grey_and_a_colour_png() -> None:
    grey = open_picture(encoded(Image.fromarray(ramp()), transparency=int(ramp()[0, 3])))
    assert grey.channels == 4
    assert grey.pixels[0, 3, 3] == 0 and grey.pixels[0, 4, 3] == 255
    colour = open_picture(
        encoded(Image.fromarray(colours()), transparency=tuple(colours()[2, 2].tolist()))
    )
    assert colour.channels == 4
    assert colour.pixels[2, 2, 3] == 0 and colour.pixels[2, 3, 3] == 255


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk(kind: str) -> None:
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[..., 1:3] = 255  # magenta and yellow make red
    options = {"quality": 100} if kind == "JPEG" else {}
    picture = open_picture(encoded(Image.fromarray(inks, "CMYK"), kind, **options))
    assert picture.channels == 3
    assert np.abs(picture.pixels[4, 4].astype(int) - (255, 0, 0)).max() <= 3


def test_ycbcr_and_lab() -> None:
    red = Image.new("RGB", (8, 8), (200, 30, 30))
    ycbcr = open_picture(encoded(red.convert("YCbCr"), "TIFF"))
    assert np.abs(ycbcr.pixels[0, 0].astype(int) - (200, 30, 30)).max() <= 2
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert (
        np.abs(open_picture(encoded(lab, "TIFF")).pixels[0, 0].astype(int) - (200, 30, 30)).max()
        <= 3
    )


DEEP = np.array([[0, 128, 257, 25_700, 65_278, 65_535]], np.uint16)
DEEP_AS_8 = [[0, 0, 1, 100, 254, 255]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    data = encoded(Image.fromarray(DEEP), kind)
    assert open_picture(data).pixels.tolist() == DEEP_AS_8


def test_a_dark_16_bit_grey_stays_dark() -> None:
    dark = np.full((3, 3), 200, np.uint16)
    for kind in ("PNG", "PPM", "TIFF"):
        assert open_picture(encoded(Image.fromarray(dark), kind)).pixels.max() == 1


def test_16_bit_big_endian_tiff() -> None:
    """Written by hand: Pillow writes TIFF in the order of this machine only."""
    body = DEEP.astype(">u2").tobytes()
    height, width = DEEP.shape
    entries = [(256, 3, width), (257, 3, height), (258, 3, 16), (259, 3, 1), (262, 3, 1),
               (273, 4, 8), (277, 3, 1), (278, 3, height), (279, 4, len(body))]  # fmt: skip
    directory = struct.pack(">H", len(entries))
    for tag, kind, value in entries:
        number = struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value)
        directory += struct.pack(">HHI", tag, kind, 1) + number
    data = b"MM\0*" + struct.pack(">I", 8 + len(body)) + body + directory + struct.pack(">I", 0)
    assert open_picture(data).pixels.tolist() == DEEP_AS_8


def test_16_bit_colour_and_16_bit_alpha_png() -> None:
    rgb = np.dstack((DEEP, DEEP[:, ::-1], DEEP))
    picture = open_picture(deep_png(rgb, 2))
    assert picture.channels == 3
    assert np.abs(picture.pixels[..., 0].astype(int) - DEEP_AS_8).max() <= 1
    rgba = open_picture(deep_png(np.dstack((rgb, DEEP)), 6))
    assert rgba.channels == 4
    assert np.abs(rgba.pixels[..., 3].astype(int) - DEEP_AS_8).max() <= 1
    grey_alpha = open_picture(deep_png(np.dstack((DEEP, DEEP[:, ::-1])), 4))
    assert grey_alpha.channels == 4
    assert np.abs(grey_alpha.pixels[..., 3].astype(int) - np.array(DEEP_AS_8)[:, ::-1]).max() <= 1


def test_16_bit_grey_with_a_transparent_value() -> None:
    picture = open_picture(deep_png(DEEP, 0, (b"tRNS", struct.pack(">H", 25_700))))
    assert picture.pixels[0, :, 3].tolist() == [255, 255, 255, 0, 255, 255]
    assert picture.pixels[0, :, 0].tolist() == DEEP_AS_8[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 100, 255]], [[0, 100, 255]]),
        ([[0, 25_700, 65_535]], [[0, 100, 255]]),
        ([[-100, 0, 100]], [[0, 128, 255]]),
        ([[0, 1_000_000, 2_000_000]], [[0, 128, 255]]),
        ([[7, 7, 7]], [[7, 7, 7]]),
    ],
)
def test_32_bit_integers(values: list[list[int]], expected: list[list[int]]) -> None:
    data = encoded(Image.fromarray(np.array(values, np.int32)), "TIFF")
    assert open_picture(data).pixels.tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.0, 0.5, 1.0]], [[0, 128, 255]]),
        ([[0.0, 100.4, 255.0]], [[0, 100, 255]]),
        ([[-1.0, 0.0, 1.0]], [[0, 128, 255]]),
        ([[np.nan, 0.0, np.inf, 1.0]], [[0, 0, 0, 255]]),
        ([[np.nan, np.nan]], [[0, 0]]),
        ([[5000.0, 5000.0]], [[0, 0]]),
    ],
)
def test_floats(values: list[list[float]], expected: list[list[int]]) -> None:
    data = encoded(Image.fromarray(np.array(values, np.float32)), "TIFF")
    assert open_picture(data).pixels.tolist() == expected


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [
        Image.new("RGB", (6, 4), colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200))
    ]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)
    picture = open_picture(data)
    assert picture.size == (6, 4)
    assert np.abs(picture.pixels[..., :3].astype(int) - (200, 0, 0)).max() <= 1


@pytest.mark.parametrize(
    "kind", ["JPEG", "WEBP", "AVIF", "JPEG2000", "TGA", "PCX", "QOI", "SGI", "ICO", "DIB"]
)
def test_other_formats(kind: str) -> None:
    smooth = np.asarray(Image.fromarray(colours(4, 4)).resize((48, 48), Image.Resampling.BICUBIC))
    picture = open_picture(encoded(Image.fromarray(smooth), kind))
    assert picture.size == (48, 48)
    assert np.abs(picture.pixels[..., :3].astype(int) - smooth).mean() < 4


def test_a_profile_is_converted_to_srgb_and_a_broken_one_ignored() -> None:
    colour = Image.new("RGB", (4, 4), (200, 30, 30))
    swapped = linear_profile()
    picture = open_picture(encoded(colour, icc_profile=swapped))
    assert picture.pixels[0, 0, 0] > 220, "linear light is darker in numbers than sRGB"
    untouched = open_picture(encoded(colour, icc_profile=b"nonsense"))
    assert untouched.pixels[0, 0].tolist() == [200, 30, 30]
    with_alpha = open_picture(
        encoded(Image.new("RGBA", (4, 4), (200, 30, 30, 77)), icc_profile=swapped)
    )
    assert with_alpha.pixels[0, 0, 0] > 220 and with_alpha.pixels[0, 0, 3] == 77


def linear_profile() -> bytes:
    """sRGB's primaries with a straight tone curve: Pillow's sRGB profile with its curves cut."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    for index in range(count):
        at = 132 + 12 * index
        tag, offset, size = struct.unpack(">4sII", data[at : at + 12])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            curve = b"curv" + bytes(4) + struct.pack(">I", 0)  # no entries: identity
            data[offset : offset + size] = curve + bytes(size - len(curve))
        elif tag == b"desc":
            data[offset : offset + size] = data[offset : offset + size].replace(
                b"s\0R\0G\0B", b"L\0I\0N\0E"
            )
    return bytes(data)


# ---- orientation ---------------------------------------------------------------------------------

UPRIGHT = np.array([[0, 64], [128, 192], [255, 32]], np.uint8)
STORED = {  # how a camera stores UPRIGHT for each orientation: the inverse of what a reader must do
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT, 1),
    7: np.rot90(UPRIGHT, 2).T,
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_every_orientation_is_read_upright(orientation: int, kind: str) -> None:
    block = 16 if kind == "JPEG" else 1  # whole JPEG blocks keep their value
    stored = np.kron(STORED[orientation], np.ones((block, block), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    image = Image.fromarray(np.ascontiguousarray(stored)).convert("RGB" if kind == "WEBP" else "L")
    picture = open_picture(encoded(image, kind, exif=exif, **options))
    grey = picture.pixels if picture.channels == 1 else picture.pixels[..., 0]
    assert np.abs(grey[::block, ::block].astype(int) - UPRIGHT).max() <= 2


def test_16_bit_with_orientation_and_nonsense_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = open_picture(encoded(Image.fromarray(DEEP), exif=exif))
    assert picture.size == (1, 6)
    exif[0x0112] = 99
    assert open_picture(encoded(Image.fromarray(ramp()), exif=exif)).size == (WIDTH, HEIGHT)
    assert open_picture(encoded(Image.fromarray(ramp()), exif=b"Exif\0\0rubbish")).size == (
        WIDTH,
        HEIGHT,
    )


# ---- sizes and refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (3, 257), (2048, 1536)])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_every_size_survives_a_round_trip(
    size: tuple[int, int], suffix: str, tmp_path: Path
) -> None:
    picture = Picture(colours(*size))
    save_picture(picture, tmp_path / f"a{suffix}", quality=100)
    back = open_picture(tmp_path / f"a{suffix}")
    assert back.size == size
    if suffix != ".jpg":
        assert back == picture
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


def test_24_megapixels(tmp_path: Path) -> None:
    picture = Picture(np.broadcast_to(colours(6000, 1), (4000, 6000, 3)))
    save_picture(picture, tmp_path / "large.jpg")
    assert open_picture(tmp_path / "large.jpg").size == (6000, 4000)


def refusal(source: Path | bytes, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        open_picture(source, **options)
    sentence = str(caught.value)
    assert sentence.count("\n") == 0 and sentence.endswith(".") and len(sentence) < 200
    return sentence


def test_refusals_are_one_sentence(tmp_path: Path) -> None:
    assert "no file" in refusal(tmp_path / "none.png")
    assert "folder" in refusal(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "empty.png is empty" in refusal(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("this is no picture")
    assert "text.png is not a picture" in refusal(tmp_path / "text.png")
    assert "not a picture" in refusal(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    )
    assert "not a file" in refusal(Path("/dev/null"))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    assert "million pixels" in refusal(png_chunks(header, bytes(10)))
    header = struct.pack(">IIBBBBB", 10_000, 9_500, 8, 0, 0, 0, 0)
    assert "million pixels" in refusal(png_chunks(header, bytes(10)))
    assert "million pixels" in refusal(encoded(Image.fromarray(ramp())), max_pixels=10)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_truncated_files_are_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    for share in (0.02, 0.3, 0.6, 0.9):
        refusal(whole[: int(len(whole) * share)])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "ICO", "TGA", "PSD"])
def test_flipped_bytes_never_escape_as_anything_but_a_sentence(kind: str) -> None:
    rng = np.random.default_rng(7)
    if kind == "PSD":
        whole = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 4, 4, 8, 3) + bytes(12) + bytes(2 + 48)
    else:
        whole = encoded(Image.fromarray(colours(24, 24)), kind)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(damaged), rng.integers(1, 6)):
            damaged[at] = rng.integers(0, 256)
        try:
            open_picture(bytes(damaged), max_pixels=1_000_000)
        except ImageError as error:
            assert str(error).endswith(".")


# ---- changing ------------------------------------------------------------------------------------


def test_flatten_lays_transparency_on_paper_exactly() -> None:
    pixels = np.array(
        [[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128], [255, 255, 255, 3]]], np.uint8
    )
    flat = images.flatten(Picture(pixels)).pixels[0]
    assert flat.tolist() == [[10, 20, 30], [255, 255, 255], [127, 127, 127], [255, 255, 255]]
    assert images.flatten(Picture(pixels), (0, 0, 0)).pixels[0, 2].tolist() == [0, 0, 0]
    assert images.flatten(Picture(ramp())).pixels[..., 1].tolist() == ramp().tolist()


def test_alpha_is_taken_off_and_put_back_at_any_size() -> None:
    picture = Picture(np.dstack((colours(), ramp())))
    opaque, alpha = images.split_alpha(picture)
    assert opaque.channels == 3 and alpha is not None
    assert np.array_equal(images.with_alpha(opaque, alpha).pixels[..., 3], ramp())
    doubled = Picture(images.resize(opaque.pixels, (WIDTH * 2, HEIGHT * 2)))
    assert images.with_alpha(doubled, alpha).pixels.shape == (HEIGHT * 2, WIDTH * 2, 4)
    assert images.split_alpha(opaque) == (opaque, None)
    assert images.with_alpha(opaque, None) is opaque


def test_resize_does_not_bleed_the_colour_of_what_is_transparent() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 0, 0, 255)
    pixels[:, 4:] = (0, 255, 0, 0)
    small = images.resize(pixels, (3, 3))
    assert small.shape == (3, 3, 4)
    assert small[..., 1].max() <= 1, "the invisible green shows"
    assert images.resize(ramp(), (WIDTH, HEIGHT)).tolist() == ramp().tolist()
    labels = images.resize(np.array([[3, 9]], np.uint8), (8, 4), smooth=False)
    assert set(labels.flatten().tolist()) == {3, 9}
    with pytest.raises(ImageError):
        images.resize(ramp(), (0, 3))


@pytest.mark.parametrize("size", [(1, 1), (400, 3), (3, 400), (192, 256)])
def test_fit_inside_shows_the_whole_picture(size: tuple[int, int]) -> None:
    dark = Picture(np.zeros((30, 20, 3), np.uint8))
    sheet = images.fit_inside(dark, size)
    assert sheet.size == size
    ink = sheet.pixels[..., 0] < 128
    assert ink.any()
    assert ink.any(0).sum() == size[0] or ink.any(1).sum() == size[1]


def test_side_by_side() -> None:
    left, right = Picture(ramp(4, 4)), Picture(colours(10, 8))
    pair = images.side_by_side(left, right)
    assert pair.size == (8 + 10, 8) and pair.channels == 3
    assert np.array_equal(pair.pixels[:, 8:], right.pixels)
    assert (
        images.side_by_side(Picture(np.dstack((colours(), ramp()))), Picture(ramp())).channels == 4
    )


def test_to_grey() -> None:
    assert images.to_grey(Picture(ramp())).pixels.tolist() == ramp().tolist()
    clear = Picture(np.zeros((2, 2, 4), np.uint8))
    assert images.to_grey(clear).pixels.tolist() == [[255, 255], [255, 255]]
    assert images.to_grey(Picture(np.full((1, 1, 3), 90, np.uint8))).pixels.tolist() == [[90]]


# ---- writing -------------------------------------------------------------------------------------


def test_png_carries_its_recipe(tmp_path: Path) -> None:
    job = Job("edges", images={"photo": Picture(colours())}, values={"low": 50.0}, seed=3)
    save_picture(Picture(ramp()), tmp_path / "a.png", job=job)
    assert job_from_png(tmp_path / "a.png") == job
    assert open_picture(tmp_path / "a.png") == Picture(ramp())


def test_a_recipe_larger_than_pillow_reads_by_itself_can_be_read(tmp_path: Path) -> None:
    job = Job("edges", drawings={"photo": "x" * 70_000_000})
    save_picture(Picture(ramp()), tmp_path / "a.png", job=job)
    assert open_picture(tmp_path / "a.png") == Picture(ramp())
    assert job_from_png(tmp_path / "a.png") == job


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lossless_formats_keep_every_pixel(suffix: str, channels: int, tmp_path: Path) -> None:
    pixels = {1: ramp(), 3: colours(), 4: np.dstack((colours(), ramp()[:, ::-1]))}[channels]
    save_picture(Picture(pixels), tmp_path / f"a{suffix}", quality=100)
    back = open_picture(tmp_path / f"a{suffix}")
    assert images.flatten(back) == images.flatten(Picture(pixels))
    if channels != 1 or suffix != ".webp":  # WebP has no grey
        assert back == Picture(pixels)


def test_jpeg_lays_transparency_on_white_and_minds_its_quality(tmp_path: Path) -> None:
    clear = np.zeros((16, 16, 4), np.uint8)
    save_picture(Picture(clear), tmp_path / "a.jpg")
    assert open_picture(tmp_path / "a.jpg").pixels.min() >= 254
    noise = Picture(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    for quality in (20, 95):
        save_picture(noise, tmp_path / f"{quality}.jpeg", quality=quality)
    assert (tmp_path / "20.jpeg").stat().st_size * 2 < (tmp_path / "95.jpeg").stat().st_size


def test_writing_refuses_in_one_sentence_and_leaves_the_old_file(tmp_path: Path) -> None:
    for name, word in (
        ("a.xyz", "endings"),
        ("none/a.png", "no folder"),
        ("none/a.jpg", "no folder"),
    ):
        with pytest.raises(ImageError, match=word):
            save_picture(Picture(ramp()), tmp_path / name)
    wide = Picture(np.zeros((1, 20_000), np.uint8))
    (tmp_path / "old.webp").write_bytes(b"precious")
    with pytest.raises(ImageError, match="16383"):
        save_picture(wide, tmp_path / "old.webp")
    assert (tmp_path / "old.webp").read_bytes() == b"precious"
    (tmp_path / "taken.jpg").mkdir()
    with pytest.raises(ImageError, match="cannot be written"):
        save_picture(Picture(ramp()), tmp_path / "taken.jpg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old.webp", "taken.jpg"]


def test_a_contact_sheet_holds_every_picture_with_its_title() -> None:
    pictures = [Picture(np.full((40, 60, 3), 40 * n, np.uint8)) for n in range(1, 6)]
    plain = images.contact_sheet(pictures)
    seen = {int(v) for v in np.unique(plain.pixels)}
    assert seen == {40, 80, 120, 160, 200, 255}
    assert plain.pixels.shape[2] == 3 and plain.width > plain.height
    titled = images.contact_sheet(pictures, ["Black hair", "Blond hair", "Young", "Male", "Smile"])
    assert titled.height > plain.height and titled.width == plain.width
    assert np.unique(titled.pixels).size > len(seen)


def test_a_contact_sheet_stays_of_a_size_that_can_be_shown() -> None:
    pictures = [Picture(np.full((1500, 2000, 3), n, np.uint8)) for n in range(6)]
    made = images.contact_sheet(pictures)
    assert max(made.size) < 1.05 * images.SHEET_SIDE
    assert {0, 1, 2, 3, 4, 5, 255} <= {int(v) for v in np.unique(made.pixels)}


def test_a_title_that_is_too_long_for_its_picture_goes_on_below_and_is_cut_at_last() -> None:
    pictures = [Picture(np.full((40, 60, 3), 90, np.uint8))] * 2

    def sheet(first: str) -> Picture:
        return images.contact_sheet(pictures, (first, "b"), 2)

    one, two, three = sheet("a"), sheet("a long title goes on"), sheet("word " * 40)
    assert one.width == two.width == three.width
    assert one.height < two.height < three.height == sheet("word " * 400).height
    assert three.height - two.height <= two.height - one.height
    gap = one.width - 2 * 60
    ink = [(p.pixels[-(p.height - 40 - gap // 3) :] < 128).any(2).any(0) for p in (two, three)]
    for dark in ink:  # nothing is written beyond its own picture's width
        assert dark[: 60 + gap // 2].any() and not dark[60 + gap // 3 : 60 + gap // 2].any()
    whole = sheet("unbreakable" * 9)
    assert whole.height == one.height
