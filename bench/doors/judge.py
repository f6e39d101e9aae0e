"""Runs an exported classifier with Python's onnxruntime and PIL: objects by line from standard input, answers as JSON lines.

    python bench/doors/judge.py parts.onnx < paths.txt      # several views of an object: paths with tabs between them

Nothing of Penumbra is needed: the file goes from the pixels to the verdict.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from PIL import Image, ImageOps

path = sys.argv[1]
onnx.checker.check_model(onnx.load(path), full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
classes = json.loads(metadata["classes"])
for line in sys.stdin:
    photos = [ImageOps.exif_transpose(Image.open(photo)).convert("RGB") for photo in line.rstrip("\n").split("\t")]
    views = [np.asarray(photo, dtype=np.uint8)[None] for photo in photos]  # each [1, height, width, 3]
    if len({view.shape for view in views}) > 1:  # views of several sizes: as the model resizes each
        views = [session.run(["resized"], {"images": view})[0] for view in views]
    pixels = np.concatenate(views)
    names = ["objectClass", "objectConfidence", "objectUnknownScore", "objectIsUnknown"]
    label, confidence, score, is_unknown = (output[0] for output in session.run(names, {"images": pixels}))
    answer = {
        "className": classes[label],
        "confidence": float(confidence),
        "unknownScore": float(score),
        "isUnknown": bool(is_unknown),
    }
    print(json.dumps(answer), flush=True)
