"""Writes `fixtures/`: one small table by the tools that people use.

Needs `pip install pandas polars pyarrow`. All values are computed: row i of 20.
`tools.rs` computes them again.
"""

import datetime as dt
import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent / "fixtures"
HERE.mkdir(exist_ok=True)
N = 20
ROWS = range(N)

plain = {
    "whole": list(ROWS),
    "gaps": [None if i % 3 == 0 else i for i in ROWS],
    "real": [i / 7 for i in ROWS],
    "truth": [i % 2 == 0 for i in ROWS],
    "text": [None if i % 5 == 0 else f"a, \"{i}\"\nü" for i in ROWS],
}

frame = pd.DataFrame(plain)
frame.to_csv(HERE / "pandas.csv", index=False)
frame.to_csv(HERE / "pandas_index.csv")
frame.to_csv(HERE / "pandas.csv.gz", index=False, compression={"method": "gzip", "mtime": 1})
frame.to_json(HERE / "pandas.jsonl", orient="records", lines=True, double_precision=15)
frame.astype({"gaps": "Int32", "text": "category"}).to_parquet(HERE / "pandas.parquet")
frame.to_parquet(HERE / "pandas_gaps_as_floats.parquet", compression="gzip")

polars = pl.DataFrame(plain)
polars.write_csv(HERE / "polars.csv")
polars.write_ndjson(HERE / "polars.ndjson")
polars.with_columns(pl.col("text").cast(pl.Categorical), image=pl.Series([[[i, i + 1], [i, -i]] for i in ROWS],
    dtype=pl.Array(pl.Int16, (2, 2)))).write_parquet(HERE / "polars.parquet", row_group_size=7)

epoch = dt.datetime(1970, 1, 1)
moments = [epoch + dt.timedelta(days=1000 * i, microseconds=i) for i in ROWS]
pq.write_table(
    pa.table({
        "i8": pa.array([i - 10 for i in ROWS], pa.int8()),
        "u8": pa.array([255 - i for i in ROWS], pa.uint8()),
        "i16": pa.array([i - 10 for i in ROWS], pa.int16()),
        "u16": pa.array([65535 - i for i in ROWS], pa.uint16()),
        "u32": pa.array([2**32 - 1 - i for i in ROWS], pa.uint32()),
        "u64": pa.array([2**64 - 1 - i for i in ROWS], pa.uint64()),
        "f16": pa.array([np.float16(i / 4) for i in ROWS], pa.float16()),
        "f32": pa.array([i / 7 for i in ROWS], pa.float32()),
        "day": pa.array([moment.date() for moment in moments], pa.date32()),
        "naive": pa.array(moments, pa.timestamp("us")),
        "zoned": pa.array(moments, pa.timestamp("ns", "Europe/Berlin")),
        "seconds": pa.array([moment.replace(microsecond=0) for moment in moments], pa.timestamp("s")),
        "money": pa.array([decimal.Decimal(i) / 100 - 1 for i in ROWS], pa.decimal128(9, 2)),
        "large": pa.array([f"l{i}" for i in ROWS], pa.large_string()),
        "view": pa.array([f"v{i}" for i in ROWS], pa.string_view()),
        "coded": pa.array([f"c{i % 3}" for i in ROWS]).dictionary_encode(),
        "fixed": pa.array([None if i == 3 else [i, None, 2.5] for i in ROWS], pa.list_(pa.float32(), 3)),
        "nested": pa.array([[[i], [i + 1]] for i in ROWS], pa.list_(pa.list_(pa.int64()))),
        "ragged": pa.array([[1] * (i + 1) for i in ROWS], pa.list_(pa.int64())),
        "nothing": pa.nulls(N),
        "struct": pa.array([{"a": i, "b": i} for i in ROWS]),
        "map": pa.array([[("k", i)] for i in ROWS], pa.map_(pa.string(), pa.int64())),
        "binary": pa.array([b"\xff"] * N, pa.binary()),
        "time": pa.array([dt.time(i) for i in ROWS], pa.time64("us")),
    }),
    HERE / "pyarrow.parquet",
    row_group_size=8,
    compression="zstd",
    data_page_version="2.0",
    store_schema=False,
)
small = pa.table({"naive": pa.array(moments, pa.timestamp("us")), "real": plain["real"]})
pq.write_table(small, HERE / "pyarrow_int96.parquet", use_deprecated_int96_timestamps=True, version="1.0")
pq.write_table(small.select(["real"]), HERE / "pyarrow_lz4.parquet", compression="lz4")
pq.write_table(
    small.select(["real"]), HERE / "pyarrow_split.parquet", compression="none", use_dictionary=False,
    column_encoding={"real": "BYTE_STREAM_SPLIT"},
)

# Pages with checksums, plain and packed; one column of two that nothing here unpacks; NaN beside null; no value at all.
checked = pa.table({"text": [f"text-{i:02}" for i in ROWS], "real": plain["real"]})
pq.write_table(checked, HERE / "pyarrow_checksums.parquet", write_page_checksum=True, compression="none",
    use_dictionary=False, row_group_size=8)
pq.write_table(checked, HERE / "pyarrow_checksums_zstd.parquet", write_page_checksum=True, compression="zstd",
    data_page_version="2.0", row_group_size=8)
pq.write_table(checked, HERE / "pyarrow_one_lz4.parquet", compression={"text": "lz4", "real": "snappy"})
gaps = [float("nan") if i % 4 == 0 else None if i % 4 == 1 else float(i) for i in ROWS]
pq.write_table(
    pa.table({
        "f64": pa.array(gaps, pa.float64()),
        "f32": pa.array(gaps, pa.float32()),
        "f16": pa.array([None if gap is None else np.float16(gap) for gap in gaps], pa.float16()),
        "full": pa.array([float("nan") if i % 4 < 2 else float(i) for i in ROWS], pa.float64()),
    }, schema=pa.schema([("f64", pa.float64()), ("f32", pa.float32()), ("f16", pa.float16()),
        pa.field("full", pa.float64(), nullable=False)])),
    HERE / "pyarrow_nan.parquet",
)
pq.write_table(pa.table({"typed": pa.nulls(N, pa.float64()), "nothing": pa.nulls(N), "whole": list(ROWS)}),
    HERE / "pyarrow_missing.parquet")
