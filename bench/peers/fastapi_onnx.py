"""FastAPI with ONNX Runtime. `ONNX_FILE` names the converted trees."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI

from bikeshare import MODEL_NAME, features
from v2 import InferRequest, InferResponse, Tensor

# A thread pool for one row costs more than the row.
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
trees = onnxruntime.InferenceSession(os.environ["ONNX_FILE"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


# `async`, so that no other thread is woken for a call this short.
@app.post(f"/v2/models/{MODEL_NAME}/infer")
async def infer(request: InferRequest) -> InferResponse:
    rows = features(request.columns()).astype(np.float32)
    riders = trees.run(None, {"features": rows})[0].ravel().tolist()
    output = Tensor(name="riders", shape=[len(riders)], datatype="FP32", data=riders)
    return InferResponse(id=request.id, model_name=MODEL_NAME, outputs=[output])
