"""The chart's generated parts: values.schema.json, and the copies of rules and dashboards that a chart has to carry."""
