"""Runs in .venv-ops: lints the chart and renders it. Reads [[name, values], ...] as JSON, writes {name: manifests or error}."""

import json
import sys

import helm_python as helm

chart = sys.argv[1]
out = {"lint": [m for m in helm.lint(chart)["messages"] if m["severity"] >= 2]}
with helm.Chart.load(chart) as loaded:
    for name, values in json.load(sys.stdin):
        try:
            out[name] = {"files": loaded.render(values, name="demo", namespace="prod")}
        except helm.HelmError as error:
            out[name] = {"error": str(error)}
json.dump(out, sys.stdout)
