"""Writes decoded/: small image files of many kinds and, in decoded.json, what Pillow and tifffile read from them.

    pip install pillow tifffile numpy && python penumbra/test/images/decoded.py
"""
import base64, json, pathlib
import numpy as np
import tifffile
from PIL import Image, ImageOps

folder = pathlib.Path(__file__).with_name("decoded")
folder.mkdir(exist_ok=True)
for old in folder.iterdir():
    old.unlink()
W, H = 16, 12
y, x = np.mgrid[0:H, 0:W]
smooth = np.stack([x * 17, y * 21, (x * 8 + y * 11) % 256], -1).astype(np.uint8)
gray8 = ((x * 13 + y * 5) % 256).astype(np.uint8)
alpha = (x * 17).astype(np.uint8)
cases = []


def on_white(image):
    """8-bit RGB as seen: upright, on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        back = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return np.asarray(Image.alpha_composite(back, rgba).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def add(name, pixels, tolerance=0, white=None):
    pixels = np.asarray(pixels)
    if pixels.ndim == 2:
        pixels = np.stack([pixels] * 3, -1)
    h, w, _ = pixels.shape
    data = base64.b64encode(pixels.astype(np.uint8).tobytes()).decode()
    cases.append({"file": name, "width": w, "height": h, "tolerance": tolerance, "white": white, "pixels": data})


def pillow(name, image, tolerance=0, **options):
    path = folder / name
    image.save(path, **options)
    add(name, on_white(Image.open(path)), tolerance)


rgb = Image.fromarray(smooth)
gray = Image.fromarray(gray8)
rgba = Image.fromarray(np.dstack([smooth, alpha]))
la = Image.merge("LA", [gray, Image.fromarray(alpha)])
palette = rgb.quantize(16)
bits = gray.convert("1")

for ext in ("png", "bmp", "tif", "webp"):
    pillow(f"rgb.{ext}", rgb, **({"lossless": True} if ext == "webp" else {}))
for ext in ("png", "bmp", "tif"):
    pillow(f"gray.{ext}", gray)
    pillow(f"palette.{ext}", palette)
    pillow(f"bits.{ext}", bits)
pillow("palette.gif", palette)
pillow("rgba.bmp", rgba, 1)
pillow("rgba.png", rgba, 1)
pillow("rgba.webp", rgba, 1, lossless=True, exact=True)
pillow("rgba.tif", rgba, 1)
pillow("la.png", la, 1)
transparent = palette.copy()
transparent.info["transparency"] = 3
pillow("palette-transparent.png", transparent, 0, transparency=3)
pillow("interlaced.png", rgb)
# Decoders of lossy formats round differently by a few levels.
pillow("rgb-444.jpg", rgb, 3, quality=95, subsampling=0)
pillow("progressive.jpg", rgb, 3, quality=95, subsampling=0, progressive=True)
pillow("gray.jpg", gray, 3, quality=95)
pillow("cmyk.jpg", rgb.convert("CMYK"), 3, quality=95)
pillow("cmyk.tif", rgb.convert("CMYK"), 1)
pillow("lossy.webp", Image.fromarray(np.full((H, W, 3), (40, 120, 200), np.uint8)), 4, quality=95)
pillow("lossless.jp2", rgb, 0, irreversible=False)
pillow("gray.jp2", gray, 0, irreversible=False)
for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
    pillow(f"{compression}.tif", rgb, compression=compression)
for orientation in range(2, 9):
    exif = Image.Exif()
    exif[274] = orientation
    pillow(f"orientation-{orientation}.jpg", rgb, 3, quality=95, subsampling=0, exif=exif)
exif = Image.Exif()
exif[274] = 6
pillow("orientation-6.png", rgb, exif=exif)
pillow("orientation-6.webp", rgb, exif=exif, lossless=True)
pillow("orientation-6.tif", rgb, tiffinfo={274: 6})


def deep(name, values, used, tolerance=1, **options):
    tifffile.imwrite(folder / name, values, **options)
    read = tifffile.imread(folder / name).astype(np.float64)
    add(name, np.clip(np.round(read * 255 / used), 0, 255), tolerance, {"uint16": used, "float32": used})


for depth in (10, 12, 14, 16):
    used = 2**depth - 1
    scaled = np.round(gray8.astype(np.float64) / 255 * used).astype(np.uint16)
    deep(f"gray-{depth}-of-16.tif", scaled, used, photometric="minisblack")
    deep(f"rgb-{depth}-of-16.tif", np.round(smooth / 255.0 * used).astype(np.uint16), used, photometric="rgb")
    Image.fromarray(scaled).save(folder / f"gray-{depth}-of-16.png")
    add(f"gray-{depth}-of-16.png", np.round(scaled * 255.0 / used), 1, {"uint16": used, "float32": 1})
deep("float.tif", (gray8 / 255.0).astype(np.float32), 1, photometric="minisblack")
deep("float-255.tif", gray8.astype(np.float32), 255, photometric="minisblack")
deep("big-endian.tif", np.round(gray8 / 255.0 * 65535).astype(np.uint16), 65535, byteorder=">", photometric="minisblack")
deep("bigtiff.tif", np.round(gray8 / 255.0 * 65535).astype(np.uint16), 65535, bigtiff=True, photometric="minisblack")
tifffile.imwrite(folder / "planar.tif", np.moveaxis(smooth, -1, 0), photometric="rgb", planarconfig="separate")
add("planar.tif", smooth)
tifffile.imwrite(folder / "white-is-zero.tif", 255 - gray8, photometric="miniswhite")
add("white-is-zero.tif", gray8)

folder.with_suffix(".json").write_text(json.dumps({"made by": "decoded.py", "cases": cases}, indent=2) + "\n")
print(len(cases), "files")
