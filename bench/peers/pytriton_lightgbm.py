"""Triton with LightGBM in its Python backend, as nvidia-pytriton runs it. Its arguments are the ports of HTTP and gRPC."""

import signal
import sys

import lightgbm
import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bikeshare import MODEL_FILE, MODEL_NAME, features

DTYPES = {
    "hour": np.int64,
    "weekday": np.int64,
    "month": np.int64,
    "holiday": np.bool_,
    "working_day": np.bool_,
    "weather": np.bytes_,
    "temperature": np.float64,
    "felt_temperature": np.float64,
    "humidity": np.float64,
    "wind_speed": np.float64,
}

booster = lightgbm.Booster(model_file=MODEL_FILE)


@batch
def infer(**columns: np.ndarray) -> dict[str, np.ndarray]:
    hours = {name: column[:, 0] for name, column in columns.items()}
    hours["weather"] = np.char.decode(hours["weather"].astype(bytes))
    # A thread pool for one row costs more than the row.
    return {"riders": booster.predict(features(hours), num_threads=1)[:, None]}


def main() -> None:
    # Told to end like this too, it takes its server and its folder with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=int(sys.argv[1]),
        grpc_address="127.0.0.1",
        grpc_port=int(sys.argv[2]),
        allow_metrics=False,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name=MODEL_NAME,
            infer_func=infer,
            inputs=[Tensor(name=name, dtype=dtype, shape=(1,)) for name, dtype in DTYPES.items()],
            outputs=[Tensor(name="riders", dtype=np.float64, shape=(1,))],
            # Requests that wait together are answered together: under load that halves the CPU time.
            config=ModelConfig(max_batch_size=1024),
        )
        triton.serve()


if __name__ == "__main__":
    main()
