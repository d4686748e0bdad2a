"""MLflow's own client of scoring servers, unmodified: `mlflow_frames.py URL MODELS.json`.

Its path has no model's name, so the host serves one model.
"""

import golden
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def main():
    url, (model,) = golden.models()
    client = ScoringServerClient(*url.split(":"))
    client.wait_server_ready(timeout=60)
    frame = pd.DataFrame(model["rows"])
    gaps = frame.isna()
    if gaps.any(axis=None):
        # NaN, as pandas has a missing number, is not JSON.
        try:
            client.invoke(frame)
            raise AssertionError("NaN was taken for JSON")
        except Exception as error:
            assert "expected a value, found `NaN`" in str(error), error
    answer = client.invoke(frame.astype(object).where(~gaps, None)).get_predictions()
    golden.check_rows(model, answer.to_dict(orient="records"))
    print(f"{model['name']}: the golden answers")


if __name__ == "__main__":
    main()
