"""From a fitted model to a sealed component, in one call."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from . import _native
from ._export.verify import verify
from ._export.write import check_target, draft, store


@dataclass(frozen=True)
class Exported:
    """A component that was written."""

    path: str
    digest: str
    size_bytes: int
    # Between its numbers and the model's over all of X, relative to values above 1.
    max_difference: float


def export(
    model: Any,
    x: Any,
    path: str | os.PathLike[str],
    *,
    name: str,
    y: Any = None,
    description: str | None = None,
    owner: str | None = None,
    license: str | None = None,
    version: str | None = None,
    data_from: str | None = None,
    data_until: str | None = None,
    max_age: str | None = None,
    labels: Mapping[str, Any] | None = None,
    checks: Mapping[str, Any] | None = None,
    classes: Any = None,
    nullable: Iterable[str] = (),
    ranges: Literal["warn", "reject", "none"] = "warn",
    golden: Literal["synthetic", "sample"] = "synthetic",
    reference: bool = True,
    quiet: bool = False,
) -> Exported:
    """Makes a fitted model a sealed component.

    `x` holds the rows that the model was fitted on. The component answers all of them as the model does, and its
    golden examples, or nothing is written. With `reference`, it carries statistics of `x`, its features and answers, by
    which a host sees drift: bins and categories, no rows. Prints the digest, the size, and the largest difference
    unless it is `quiet`. The other words are those of `write_model`.
    """
    target = check_target(path)
    graph, file = draft(
        model, x, name=name, y=y, description=description, owner=owner, license=license, version=version,
        data_from=data_from, data_until=data_until, max_age=max_age, labels=labels, checks=checks, classes=classes,
        nullable=nullable, ranges=ranges, golden=golden,
    )  # fmt: skip
    made, digest = _native.import_model(file)
    profile = _native.Profile(_native.Component(made))
    found = verify(graph, lambda rows: _answers(profile, rows))
    if reference:
        made, digest = profile.seal(made, data_from, data_until, golden == "sample")
    store(made, target)
    exported = Exported(str(target), digest, len(made), found.difference)
    if not quiet:
        told = f"{found.difference:.1e}" if found.difference else "0"
        print(f"{exported.path}  {len(made):,} bytes  {digest}")
        print(f"largest difference over {found.rows:,} rows: {told}")
    return exported


def _answers(profile: _native.Profile, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    told = json.loads(profile.records(json.dumps(rows)))
    return {name: [row[name] for row in told] for name in told[0]}
