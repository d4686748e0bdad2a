"""Converts the trees to ONNX. Its argument is the file to write.

Numbers become FP32, as the converter has trees: answers differ from LightGBM's in the sixth digit.
"""

import sys
from pathlib import Path

import lightgbm
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from bikeshare import MODEL_FILE

booster = lightgbm.Booster(model_file=MODEL_FILE)
model = convert_lightgbm(booster, initial_types=[("features", FloatTensorType([None, 13]))])
Path(sys.argv[1]).write_bytes(model.SerializeToString())
