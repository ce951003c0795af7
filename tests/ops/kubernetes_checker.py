"""Runs in .venv-ops: {name: manifest} as JSON on standard input, {name: problem} out, against the schemas of one Kubernetes version."""

import json
import sys

import kubernetes_validate

problems = {}
for name, manifest in json.load(sys.stdin).items():
    try:
        kubernetes_validate.validate(manifest, sys.argv[1], strict=True)
    except kubernetes_validate.ValidationError as error:
        problems[name] = f"{list(error.path)}: {error.message}"
json.dump(problems, sys.stdout)
