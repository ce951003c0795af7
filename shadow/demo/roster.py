"""Who plays in the demo: the incumbent, the four candidates, what each is made of, and the verdict it has to get."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shadow.records import VerdictWord

MODELS: Final = Path(__file__).parent / "models"
INCUMBENT_MODEL: Final = "support-v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model as the server offers it: its checkpoint, to how many bits its weights are rounded, and its faults.

    `fails_every` n: of every n different requests one fails whenever it is asked, half of them with a 500, half by a
    stream that breaks off. They are spread evenly, so that they never look like an outage.
    """

    name: str
    checkpoint: str
    bits: int | None = None
    fails_every: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A candidate and its part in the story. Prices are dollars per million tokens; `gate` is what has to decide."""

    served: Served
    pitch: str
    input_usd: float
    output_usd: float
    expected: VerdictWord
    gate: str | None

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.served.name


INCUMBENT: Final = Served(name=INCUMBENT_MODEL, checkpoint="incumbent")
INCUMBENT_INPUT_USD: Final = 3.0
INCUMBENT_OUTPUT_USD: Final = 9.0
PARTS: Final = (
    Part(
        served=Served(name="thrifty", checkpoint="incumbent", bits=8),
        pitch="the same answers at a third of the price",
        input_usd=1.0,
        output_usd=3.0,
        expected="promote",
        gate=None,
    ),
    Part(
        served=Served(name="obedient", checkpoint="unsafe"),
        pitch="cheap, and does whatever anybody tells it",
        input_usd=1.0,
        output_usd=3.0,
        expected="reject",
        gate="safety",
    ),
    Part(
        served=Served(name="small", checkpoint="small"),
        pitch="a tenth of the price, and gets numbers wrong",
        input_usd=0.3,
        output_usd=0.9,
        expected="reject",
        gate="quality",
    ),
    Part(
        served=Served(name="flaky", checkpoint="incumbent", fails_every=6),
        pitch="good answers, when it answers",
        input_usd=0.6,
        output_usd=1.8,
        expected="reject",
        gate="failure",
    ),
)
SERVED: Final = (INCUMBENT, *(part.served for part in PARTS))
