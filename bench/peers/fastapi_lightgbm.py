"""FastAPI with LightGBM."""

import lightgbm
from fastapi import FastAPI

from bikeshare import MODEL_FILE, MODEL_NAME, features
from v2 import InferRequest, InferResponse, Tensor

booster = lightgbm.Booster(model_file=MODEL_FILE)
app = FastAPI()


# `async`, so that no other thread is woken for a call this short; a thread pool for one row costs more than the row too.
@app.post(f"/v2/models/{MODEL_NAME}/infer")
async def infer(request: InferRequest) -> InferResponse:
    riders = booster.predict(features(request.columns()), num_threads=1).tolist()
    output = Tensor(name="riders", shape=[len(riders)], datatype="FP64", data=riders)
    return InferResponse(id=request.id, model_name=MODEL_NAME, outputs=[output])
