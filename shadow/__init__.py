"""Shadow: replays mirrored production requests to candidate models and decides, validly at any moment, which may be promoted."""
