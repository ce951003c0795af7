"""The demo: embedded broker, small real models, traffic, and the story told over the real sidecar."""
