"""Dashboards as code: `python -m grafana.build` writes the JSON that is committed under `dashboards/`."""
