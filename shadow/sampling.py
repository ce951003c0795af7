"""Which calls are replayed and counted: a pure function of salt, session, turn and configuration.

Every replica and every restart decides alike. The unit is the session: of each at most one turn is counted, drawn from
the session key, so that turns of one conversation never enter the statistics as if they were independent.
"""

import hashlib
from dataclasses import dataclass

from shadow.records import Call, Selection
from shadow.settings import Sampling, When

_HASH_BITS = 64
_MAX_TURN = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a stratum may ask of a call beside its own fields."""

    language: str | None = None
    adversarial: bool = False


class Sampler:
    """Decides about calls. `baseline_rate` is the share of replayed calls that the baseline arm answers too."""

    def __init__(self, settings: Sampling, *, baseline_rate: float = 0.0) -> None:
        self._settings = settings
        self._salt = settings.salt.encode()
        self._baseline_rate = baseline_rate

    def decide(self, call: Call, unit_key: str, *, shed_exponent: int = 0, facts: Facts = Facts()) -> Selection:
        """The selection of one replayable call.

        `unit_key` is the session, or the call's own identity when it has none. `shed_exponent` h multiplies every
        probability by 2**-h (overload, budget, governor) for all strata alike; p = rate * 2**(k - h), and the weight
        class is p_min / p = 2**-k, where p_min = rate * 2**-h is the smallest probability in force.
        """
        settings = self._settings
        exponent = self._stratum_exponent(call, facts)
        probability = settings.rate * 2.0 ** (exponent - shed_exponent)
        draw = self._uniform(b"session", unit_key)
        if draw >= probability:
            return Selection(
                disposition="not_sampled", counted=False, probability=probability, weight_exponent=exponent
            )
        counted = call.session is None or self._counted_turn(unit_key) == min(call.turn, _MAX_TURN)
        if not counted and settings.replay_turns == "counted":
            return Selection(disposition="other_turn", counted=False, probability=probability, weight_exponent=exponent)
        return Selection(
            disposition="scored",
            counted=counted,
            probability=probability,
            weight_exponent=exponent,
            baseline=self._uniform(b"baseline", f"{unit_key}\x00{call.turn}") < self._baseline_rate,
        )

    def _counted_turn(self, unit_key: str) -> int:
        """The one turn of a session that counts: 1, or j with probability 2**-j."""
        if self._settings.counted_turn == "first":
            return 1
        bits = self._hash(b"turn", unit_key)
        trailing_zeros = (bits & -bits).bit_length() - 1 if bits else _MAX_TURN - 1
        return min(trailing_zeros + 1, _MAX_TURN)

    def _stratum_exponent(self, call: Call, facts: Facts) -> int:
        """log2 of the largest factor among the strata that hold for the call; 0 for the rest of the traffic."""
        return max(
            (s.times.bit_length() - 1 for s in self._settings.strata if _holds(s.when, call, facts)),
            default=0,
        )

    def _uniform(self, purpose: bytes, key: str) -> float:
        """A number in [0, 1) that only depends on salt, purpose and key."""
        return (self._hash(purpose, key) >> 11) * 2.0**-53

    def _hash(self, purpose: bytes, key: str) -> int:
        digest = hashlib.blake2b(
            key.encode("utf-8", "surrogatepass"), digest_size=_HASH_BITS // 8, key=self._salt[:64], person=purpose[:16]
        ).digest()
        return int.from_bytes(digest, "big")


def unit_key(call: Call, topic: str, partition: int, offset: int) -> str:
    """The key of the independent unit a call belongs to: its session, or itself when it has none."""
    if call.session is not None:
        return f"s\x00{call.session}"
    return f"c\x00{topic}\x00{partition}\x00{offset}\x00{call.index}"


def _holds(when: When, call: Call, facts: Facts) -> bool:
    failed = call.answer.failure is not None
    return (
        (when.route is None or when.route == call.route)
        and (when.model is None or when.model == call.model)
        and (when.language is None or when.language == facts.language)
        and all(call.tags.get(k) == v for k, v in when.tag.items())
        and (when.incumbent_failed is None or when.incumbent_failed == failed)
        and (when.adversarial is None or when.adversarial == facts.adversarial)
    )
