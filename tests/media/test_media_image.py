from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from mggtalk.config import MediaConfig
from mggtalk.errors import MediaError, MediaTooLongError
from mggtalk.media import load_image, save_image
from mggtalk.media.image import _unknown
from mggtalk.media.stills import add_heif
from tests.hostile import wav
from tests.unmarked import UNMARKED


def picture(height: int = 80, width: int = 100) -> np.ndarray:
    """Left third red, middle green, right blue; dark towards the bottom."""
    image = np.zeros((height, width, 3), np.uint8)
    for channel in range(3):
        image[:, channel * width // 3 : (channel + 1) * width // 3, channel] = 250
    return (image * np.linspace(1, 0.2, height)[:, None, None]).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_lossless_formats_are_exact(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture()).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(load_image(path), picture())
    assert np.array_equal(load_image(str(path)), picture())


def test_array_and_pillow_sources_are_copied():
    source = picture()
    loaded = load_image(source)
    loaded[:] = 7
    assert np.array_equal(source, picture())
    assert np.array_equal(load_image(Image.fromarray(source)), source)
    assert np.array_equal(load_image(source[:, ::-1]), source[:, ::-1])


def test_gif_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (80, 70), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / "a.gif")[35, 40].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_what_phones_and_browsers_save(tmp_path, suffix):
    assert add_heif(), "pillow-heif is among the requirements"
    Image.fromarray(picture()).save(tmp_path / f"a.{suffix}", quality=95)
    assert np.abs(load_image(tmp_path / f"a.{suffix}").astype(int) - picture()).mean() < 6


def test_heic_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    Image.fromarray(picture()).save(tmp_path / "a.heic")
    head = (tmp_path / "a.heic").read_bytes()[:16]
    monkeypatch.setattr("mggtalk.media.image.add_heif", lambda: False)
    assert "pillow-heif" in str(_unknown("The image 'a.heic'", head))


def test_videos_and_recordings_are_called_so(tmp_path, clip):
    with pytest.raises(MediaError, match="no picture but a video"):
        load_image(clip("a.mp4"))
    (tmp_path / "a.wav").write_bytes(wav(np.zeros(1600)))
    with pytest.raises(MediaError, match="no picture but a recording"):
        load_image(tmp_path / "a.wav")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    upright = Image.fromarray(picture())
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored so that a clockwise quarter turn shows it upright
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    for name in ("a.jpg", "a.png", "a.tiff"):
        stored.save(tmp_path / name, exif=exif, **({"quality": 98, "subsampling": 0} if name == "a.jpg" else {}))
        loaded = load_image(tmp_path / name)
        assert loaded.shape == picture().shape
        assert np.abs(loaded.astype(int) - picture()).mean() < 3


def test_transparency_is_laid_over_white(tmp_path):
    rgba = np.dstack([picture(), np.full((80, 100), 255, np.uint8)])
    rgba[:40, :, 3] = 0
    rgba[40, :, 3] = 128
    Image.fromarray(rgba).save(tmp_path / "a.png")
    loaded = load_image(tmp_path / "a.png")
    assert (loaded[:40] == 255).all()
    assert np.array_equal(loaded[41:], picture()[41:])
    half = picture()[40] * (128 / 255) + 127
    assert np.abs(loaded[40] - half).max() <= 1


def test_grey_with_alpha_and_palette_with_transparency(tmp_path):
    grey = np.dstack([np.full((70, 70), 40, np.uint8), np.full((70, 70), 255, np.uint8)])
    grey[0, :, 1] = 0
    Image.merge("LA", [Image.fromarray(plane) for plane in (grey[..., 0].copy(), grey[..., 1].copy())]).save(
        tmp_path / "la.png"
    )
    loaded = load_image(tmp_path / "la.png")
    assert (loaded[0] == 255).all() and (loaded[1:] == 40).all()
    palette = Image.fromarray(picture()).quantize(8)
    palette.save(tmp_path / "p.png", transparency=palette.getpixel((5, 5)))
    loaded = load_image(tmp_path / "p.png")
    assert (loaded[5, 5] == 255).all() and loaded[5, 50, 1] > 180 > loaded[5, 50, 0]


def test_grey_one_bit_and_palette(tmp_path):
    ramp = np.tile(np.arange(100, dtype=np.uint8), (80, 1))
    Image.fromarray(ramp).save(tmp_path / "l.png")
    assert np.array_equal(load_image(tmp_path / "l.png"), np.repeat(ramp[..., None], 3, axis=2))
    Image.fromarray(ramp > 50).save(tmp_path / "1.png")
    assert set(np.unique(load_image(tmp_path / "1.png"))) == {0, 255}
    Image.fromarray(picture()).quantize(64).save(tmp_path / "p.png")
    assert np.abs(load_image(tmp_path / "p.png").astype(int) - picture()).mean() < 6


def test_sixteen_bits_are_scaled(tmp_path):
    deep = np.tile(np.linspace(0, 65535, 100).astype(np.uint16), (80, 1))
    expected = np.rint(deep / 257)
    for name in ("a.png", "a.tiff"):
        Image.fromarray(deep).save(tmp_path / name)
        assert np.abs(load_image(tmp_path / name)[..., 1] - expected).max() <= 1
    dark = np.full((80, 100), 2570, np.uint16)  # a dark picture stays dark
    Image.fromarray(dark).save(tmp_path / "dark.png")
    assert (load_image(tmp_path / "dark.png") == 10).all()


def test_sixteen_bit_colour_png(make):
    path = make(
        "a.png", "-f", "lavfi", "-i", "color=0x6496C8:s=80x80,format=gbrp", "-frames:v", "1", "-pix_fmt", "rgb48be"
    )
    assert np.abs(load_image(path)[40, 40].astype(int) - (0x64, 0x96, 0xC8)).max() <= 2


def test_float_pictures(tmp_path):
    ramp = np.tile(np.linspace(0, 1, 100, dtype=np.float32), (80, 1))
    for scale in (1.0, 255.0):
        Image.fromarray(ramp * np.float32(scale)).save(tmp_path / "f.tiff")
        assert np.abs(load_image(tmp_path / "f.tiff")[..., 0] - ramp * 255).max() <= 1
    ramp[3, 3] = np.nan
    Image.fromarray(ramp).save(tmp_path / "nan.tiff")
    with pytest.raises(MediaError, match="NaN"):
        load_image(tmp_path / "nan.tiff")


def test_cmyk_with_and_without_profile(tmp_path):
    cmyk = Image.fromarray(picture()).convert("CMYK")
    cmyk.save(tmp_path / "a.jpg", quality=98)
    assert np.abs(load_image(tmp_path / "a.jpg").astype(int) - picture()).mean() < 4
    wrong = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # fits RGB, not CMYK: ignored
    cmyk.save(tmp_path / "b.jpg", quality=98, icc_profile=wrong)
    assert np.array_equal(load_image(tmp_path / "b.jpg"), load_image(tmp_path / "a.jpg"))


def cmyk_profile() -> bytes:
    """An ICC profile by which every ink alone is black: L* falls linearly from 100 at no ink to 0 at full ink."""
    grid = b"".join(bytes([255 if corner == 0 else 0, 128, 128]) for corner in range(16))  # L*, a*, b*
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + grid + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    name = b"desc" + bytes(4) + struct.pack(">I", 5) + b"inks\0" + bytes(78)
    body, table = b"", b""
    for tag, data in ((b"A2B0", lut), (b"wtpt", white), (b"desc", name)):
        table += tag + struct.pack(">II", 128 + 4 + 3 * 12 + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    body = struct.pack(">I", 3) + table + body
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + body


def test_cmyk_profile_is_applied(tmp_path):
    inks = np.zeros((80, 80, 4), np.uint8)
    inks[:40, :, 0] = 255  # cyan, by plain arithmetic; black, by this profile
    inks[40:, :40, 3] = 128
    for name, options in (("a.jpg", {"quality": 98}), ("a.tiff", {})):
        Image.merge("CMYK", [Image.fromarray(inks[..., k].copy()) for k in range(4)]).save(
            tmp_path / name, icc_profile=cmyk_profile(), **options
        )
        loaded = load_image(tmp_path / name).astype(int)
        assert loaded[10, 40].max() < 8
        assert np.abs(loaded[60, 10] - 118).max() < 6  # L* = 50
        assert loaded[60, 70].min() > 248


def test_colour_profile_is_applied(tmp_path):
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"tXYZ"), (b"bXYZ", b"rXYZ"), (b"tXYZ", b"bXYZ")):  # its red is blue
        swapped = swapped.replace(old, new)
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    Image.fromarray(picture()).save(tmp_path / "a.png", icc_profile=swapped)
    assert np.abs(load_image(tmp_path / "a.png").astype(int) - picture()[..., ::-1]).max() <= 3
    Image.fromarray(picture()).save(tmp_path / "b.png", icc_profile=b"no profile at all")
    assert np.array_equal(load_image(tmp_path / "b.png"), picture())


def test_size_is_checked_before_decoding(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)  # a PNG that promises 3.6 gigapixels and holds none
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data)) for tag, data in chunks
    )
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(MediaTooLongError, match="pixels"):
        load_image(tmp_path / "bomb.png")
    Image.new("1", (12000, 9000)).save(tmp_path / "large.png")  # 108 megapixels: Pillow itself would only warn
    with pytest.raises(MediaTooLongError, match="50 million"):
        load_image(tmp_path / "large.png")
    limits = MediaConfig(max_image_megapixels=0.004)
    for source in (picture(), Image.fromarray(picture())):
        with pytest.raises(MediaTooLongError, match="100 x 80"):
            load_image(source, limits)


def test_too_small():
    with pytest.raises(MediaError, match="only 100 x 60 pixels"):
        load_image(picture(60))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "gif", "bmp", "heic", "avif"])
def test_truncated_files(tmp_path, suffix):
    add_heif()
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    for share in (0.02, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(MediaError) as caught:
            load_image(path)
        assert "\n" not in str(caught.value)


def test_other_formats_are_refused(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.ppm")
    with pytest.raises(MediaError, match="no picture of a kind"):
        load_image(tmp_path / "a.ppm")
    (tmp_path / "a.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    with pytest.raises(MediaError, match="HEIC"):
        load_image(tmp_path / "a.heic")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(MediaError, match="no picture of a kind"):
        load_image(tmp_path / "text.png")


@pytest.mark.parametrize(
    "array, words",
    [
        (np.zeros((80, 80, 3), np.float32), r"float32 \[80, 80, 3\]"),
        (np.zeros((80, 80), np.uint8), r"uint8 \[80, 80\]"),
        (np.zeros((80, 80, 4), np.uint8), r"uint8 \[80, 80, 4\]"),
    ],
)
def test_arrays_of_another_kind(array, words):
    with pytest.raises(MediaError, match=words):
        load_image(array)


def test_what_is_no_image_source(tmp_path):
    for source, words in ((None, "NoneType"), (3, "int"), (io.BytesIO(), "BytesIO"), (tmp_path, "folder")):
        with pytest.raises(MediaError, match=words):
            load_image(source)


def test_saved_image_comes_back(tmp_path):
    save_image(tmp_path / "a.png", picture(), **UNMARKED)
    assert np.array_equal(load_image(tmp_path / "a.png"), picture())
    for name in ("a.jpg", "a.jpeg", "a.webp"):
        save_image(tmp_path / name, picture(), **UNMARKED)
        assert np.abs(load_image(tmp_path / name).astype(int) - picture()).mean() < 8
    assert len(list(tmp_path.iterdir())) == 4
    with pytest.raises(MediaError, match="float64"):
        save_image(tmp_path / "a.png", np.zeros((80, 80, 3)))
    with pytest.raises(MediaError, match="'.gif'"):
        save_image(tmp_path / "a.gif", picture())
