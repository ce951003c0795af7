"""From the bytes of one mirrored record to its calls, in whatever format they were logged."""

from shadow.sources.decode.detect import Format, decode

__all__ = ["Format", "decode"]
