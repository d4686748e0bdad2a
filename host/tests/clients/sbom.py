"""The official schema of CycloneDX, and its library, on documents of `scry inspect --sbom`.

Usage: sbom.py FILE...
"""

import json
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

for path in sys.argv[1:]:
    text = open(path, encoding="utf-8").read()
    wrong = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    assert wrong is None, f"{path}: {wrong}"
    bom = Bom.from_json(json.loads(text))
    # Each dependency leads to a part of the document, and the document is of something.
    assert bom.validate() and bom.metadata.component is not None, path
    known = {str(part.bom_ref) for part in bom.components} | {str(bom.metadata.component.bom_ref)}
    assert len(known) == len(bom.components) + 1, f"{path}: a reference means two parts"
    for dependency in bom.dependencies:
        for of in [dependency, *dependency.dependencies]:
            assert str(of.ref) in known, f"{path}: {of.ref}"
    print(f"{path}: valid, {len(bom.components)} parts")
