"""Rows by V1, as requests and the KServe SDK send them: `rows.py URL MODELS.json`."""

import asyncio

import golden
import requests
from kserve import InferenceRESTClient, RESTConfig


def as_lists(rows, fields):
    """Rows without names, in the order of the metadata; of one field alone, its values."""
    lists = [[row.get(field) for field in fields] for row in rows]
    return lists if len(fields) > 1 else [value for (value,) in lists]


def with_requests(url, model, fields):
    for instances in (model["rows"], as_lists(model["rows"], fields)):
        path = f"http://{url}/v1/models/{model['name']}:predict"
        answer = requests.post(path, json={"instances": instances}, timeout=60)
        assert answer.status_code == 200, answer.text
        golden.check_rows(model, answer.json()["predictions"])


async def with_kserve(url, model, fields):
    client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    assert await client.is_model_ready(f"http://{url}", model["name"]) is True
    for instances in (model["rows"], as_lists(model["rows"], fields)):
        answer = await client.infer(f"http://{url}", {"instances": instances}, model_name=model["name"])
        golden.check_rows(model, answer["predictions"])


def main():
    url, models = golden.models()
    for model in models:
        metadata = requests.get(f"http://{url}/v2/models/{model['name']}", timeout=60).json()
        fields = [field["name"] for field in metadata["inputs"]]
        with_requests(url, model, fields)
        asyncio.run(with_kserve(url, model, fields))
    print("all clients were answered")


if __name__ == "__main__":
    main()
