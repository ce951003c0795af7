"""Which record was the first with a call id: remembered in a fixed amount of memory, whatever the traffic."""

from array import array

Place = tuple[str, int, int, int]
"""(topic, partition, offset, call)"""

WAYS = 8
_BITS = 2**64 - 1


class FirstPlaces:
    """The first place of about the last `ids` call ids, 16 bytes each, allocated at once. Owned by one thread.

    Ids and places are kept as 64-bit hashes of this process: a false match has a chance of 2**-64 per pair. An id is
    forgotten when `WAYS` newer ones fell into its set, so that memory and time per call stay the same for ever.
    """

    def __init__(self, ids: int) -> None:
        self._sets = max(1, ids // WAYS)
        self._ids = array("Q", bytes(8 * self._sets * WAYS))
        self._places = array("Q", bytes(8 * self._sets * WAYS))

    def is_first(self, call_id: str, place: Place) -> bool:
        """False when another place had this id before. The same place again is no duplicate of itself."""
        wanted = (hash(call_id) & _BITS) or 1  # 0 marks a slot that was never used
        mark = hash(place) & _BITS
        start = wanted % self._sets * WAYS
        end = start + WAYS
        ids, places = self._ids, self._places
        known = ids[start:end]
        if wanted in known:
            return places[start + known.index(wanted)] == mark
        ids[start + 1 : end] = known[:-1]
        places[start + 1 : end] = places[start : end - 1]
        ids[start], places[start] = wanted, mark
        return True
