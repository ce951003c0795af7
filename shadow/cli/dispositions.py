"""The ends a record can come to, in the words that people read."""

from shadow.records import Disposition

MEANINGS: dict[Disposition, str] = {
    "scored": "replayed to every arm and scored",
    "not_sampled": "left out by sampling.rate; only counted",
    "other_turn": "a turn of a chosen session that is not the one that counts",
    "filtered": "source.filter does not take it, or it is a second record of the same call",
    "expired": "older than source.max_age_seconds when it was read",
    "paused": "no arm may be asked: budget, governor or a trial",
    "not_replayable": "cannot be asked again as it was (the reason says why)",
    "invalid": "cannot be read; it is in the dead letters with its offset",
    "oversized": "larger than source.max_record_bytes; it is in the dead letters",
    "poison": "ended the scoring process three times; set aside",
    "heartbeat": "a sign of life of the mirror, no request",
}
