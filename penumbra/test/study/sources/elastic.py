"""Writes elastic.json: scipy's Gaussian and sampling of a small field and image, which the elastic copies are held to.

python3 elastic.py    # scipy 1.17.1, numpy 2.4.6
"""

import json
import pathlib

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

size, deviation = 12, 1.5
rng = np.random.default_rng(0)
noise = rng.uniform(-1, 1, (size, size))
smooth = gaussian_filter(noise, deviation, mode="mirror", truncate=3)
channel = rng.integers(0, 256, (size, size), dtype=np.uint8)
across, down = rng.uniform(-5, 5, (2, size, size))
rows, columns = np.mgrid[0:size, 0:size]
bent = map_coordinates(channel.astype(float), [rows + down, columns + across], order=1, mode="mirror")

named = {"noise": noise, "smooth": smooth, "channel": channel, "across": across, "down": down, "bent": bent}
flat = {name: array.ravel().tolist() for name, array in named.items()}
out = pathlib.Path(__file__).with_suffix(".json")
out.write_text(json.dumps({"size": size, "deviation": deviation, **flat}) + "\n")
