"""Builds what the chart repeats from elsewhere: the schema of its values, the alert rules, the dashboards.

python -m helm.build            writes them
python -m helm.build --check    exit 1 when a committed file is not what would be written
"""

import json
import sys
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from shadow import settings

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm" / "shadow"
_ENVIRONMENT = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*"}
_DURATION = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)?\s*$"}


def values_schema() -> dict[str, Any]:
    """JSON Schema of values.yaml: the chart's own keys by hand, `config` from the settings models."""
    schema: dict[str, Any] = yaml.safe_load((CHART / "chart-values.schema.yaml").read_text())
    config = settings.Settings.model_json_schema(ref_template="#/$defs/{model}")
    definitions = config.pop("$defs")
    for name, definition in definitions.items():
        _accept_durations(name, definition)
    definitions["Settings"] = config
    schema["$defs"] = {**schema.get("$defs", {}), **_accept_environment(definitions)}
    schema["properties"]["config"] = {"$ref": "#/$defs/Settings"}
    return schema


def _accept_durations(name: str, definition: dict[str, Any]) -> None:
    """A duration is a number in the models once it is read; in a file it may be "24h"."""
    model = getattr(settings, name, None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return
    reader = next(m for m in get_args(settings.Duration)[1:] if hasattr(m, "func"))
    for field, info in model.model_fields.items():
        if reader in info.metadata:
            number = definition["properties"][field]
            kept = {k: number.pop(k) for k in ("title", "default", "description") if k in number}
            definition["properties"][field] = {"anyOf": [number, _DURATION], **kept}


def _accept_environment(node: Any) -> Any:
    """`${NAME}` stands where a patterned text is expected: its value is known only in the pod."""
    if isinstance(node, list):
        return [_accept_environment(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "string" and "pattern" in node and node != _DURATION:
        kept = {k: node[k] for k in ("title", "default", "description") if k in node}
        return {"anyOf": [{k: v for k, v in node.items() if k not in kept}, _ENVIRONMENT], **kept}
    return {key: _accept_environment(value) for key, value in node.items()}


def files() -> dict[Path, str]:
    """Every generated file with its text."""
    found = {CHART / "values.schema.json": json.dumps(values_schema(), indent=1, sort_keys=True) + "\n"}
    sources = [ROOT / "grafana" / "rules.yml", *sorted((ROOT / "grafana" / "dashboards").glob("*.json"))]
    for source in sources:
        found[CHART / "files" / source.name] = source.read_text()
    return found


def main(arguments: list[str]) -> int:
    """Writes the files, or with --check says which differ."""
    wanted = files()
    if "--check" not in arguments:
        for path, text in wanted.items():
            path.write_text(text)
        return 0
    differ = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    differ += [path for path in (CHART / "files").iterdir() if path not in wanted]
    for path in differ:
        sys.stderr.write(f"{path.relative_to(ROOT)} is not what `python -m helm.build` writes\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
