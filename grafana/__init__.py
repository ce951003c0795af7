"""Dashboards as code: `python -m grafana.build` writes the JSON that is committed under `dashboards/`."""

import warnings

# The builder warns at import that a second dashboard format exists. Grafana provisions the first one everywhere.
warnings.filterwarnings("ignore", message="Prefer using dashboardv2", category=DeprecationWarning)
