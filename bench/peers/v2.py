"""As much of the Open Inference Protocol V2 as a FastAPI server of one model needs."""

from typing import Any

from pydantic import BaseModel


class Tensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferRequest(BaseModel):
    id: str | None = None
    inputs: list[Tensor]

    def columns(self) -> dict[str, list]:
        return {tensor.name: tensor.data for tensor in self.inputs}


class InferResponse(BaseModel):
    id: str | None = None
    model_name: str
    outputs: list[Tensor]
