"""MLServer's own LightGBM runtime, with the feature pipeline before its trees."""

from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver_lightgbm import LightGBMModel

from bikeshare import features


class Bikeshare(LightGBMModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        hours = {tensor.name: tensor.data.root for tensor in payload.inputs}
        # JSON has text, gRPC has bytes.
        hours["weather"] = [text if isinstance(text, str) else text.decode() for text in hours["weather"]]
        # A thread pool for one row costs more than the row.
        riders = self._model.predict(features(hours), num_threads=1)
        output = NumpyCodec.encode_output("riders", riders)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
