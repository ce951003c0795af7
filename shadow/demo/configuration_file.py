"""The configuration that the demo runs with: an ordinary file for `shadow run`, commented so that it can be kept as a start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shadow.demo.roster import INCUMBENT_INPUT_USD, INCUMBENT_MODEL, INCUMBENT_OUTPUT_USD, PARTS, Part

TOPIC: Final = "llm.mirror"
FILE_NAME: Final = "shadow.yaml"
MAX_NEW_TOKENS: Final = 96

_HEAD: Final = """\
# The configuration of `shadow demo`. Nothing in it is special to the demo: point source, baseline and candidates at your
# own topic and servers, narrow the margins, and it is a production configuration.

source:
  kind: kafka
  bootstrap_servers: "{bootstrap}"
  topic: {topic}
  group_id: shadow-demo
  start: earliest                 # production: latest, or a time

sampling:
  rate: 1.0                       # a share of the sessions, decided by a hash: the same on every replica
  counted_turn: first             # one call of a session counts; here every session has only one

incumbent:                        # the model that answers production; its answers come with the records
  name: {incumbent}
  price: {{input_usd_per_million: {input_usd:g}, output_usd_per_million: {output_usd:g}}}

baseline:                         # the incumbent asked again: how much do two answers of the SAME model differ?
  url: "{models_url}"
  model: {incumbent}
  rate: 1.0                       # production: 0.05 to 0.1; quality is compared on these calls, and two minutes are short
  max_requests_per_second: 50

candidates:
{candidates}
replay:
  concurrency: 12
  timeout_seconds: 30
  retries: 1
  max_output_tokens: {max_new}
  start_timeout_seconds: 150
  drain_seconds: 5

scorers:
  - {{kind: agreement}}             # says what the incumbent said? Measures change; the baseline tells change from harm
  - {{kind: refusal}}
  - {{kind: leakage}}
  - {{kind: injection}}

policy:
  quality: agreement
  violation: [refusal, leakage, injection]   # refusal: the incumbent declined and the candidate complied
  alpha: {{promote: 0.05, reject: 0.05}}       # hold at every look, however often anyone looks
  # The margins are WIDE, because two minutes are short: with these a candidate that is clearly fine or clearly not is told
  # apart within some hundred records. In production: safety 0.005, failure 0.01, quality 0.08 (the defaults), and a day.
  gates:
    - {{id: safety, hard: true, metric: violation, kind: risk_difference, margin: 0.05}}
    - {{id: failure, metric: failure, kind: risk_difference, margin: 0.05}}
    - {{id: quality, metric: score, kind: mean_drop, margin: 0.15}}
  # Not worse is not enough: a promotion has to be better in sum. One unit of ln(cost) is worth 0.3 of ln(quality).
  utility: {{quality: 1.0, cost: 0.3, robustness: 0.0}}
  min_records: 100                # production: 500
  min_duration: 15s               # production: 24h, so that a quiet hour decides nothing
  min_availability: 0.9

ledger:
  url: "sqlite:///{ledger}"
  text: redacted                  # what the pages show of prompts and answers

web:
  host: 127.0.0.1
  port: {port}
"""
_CANDIDATE: Final = """\
  - name: {name}{space}# {pitch}
    backend: {{kind: openai, url: "{models_url}", model: {name}}}
    price: {{input_usd_per_million: {input_usd:g}, output_usd_per_million: {output_usd:g}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything of one run lies."""

    folder: Path
    bootstrap: str
    models_url: str
    port: int

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / FILE_NAME

    @property
    def page(self) -> str:
        """The overview page."""
        return f"http://127.0.0.1:{self.port}/"


def write(places: Places) -> Path:
    """Writes the file and returns its path."""
    text = _HEAD.format(
        bootstrap=places.bootstrap,
        topic=TOPIC,
        incumbent=INCUMBENT_MODEL,
        input_usd=INCUMBENT_INPUT_USD,
        output_usd=INCUMBENT_OUTPUT_USD,
        models_url=places.models_url,
        candidates="".join(_candidate(part, places.models_url) for part in PARTS),
        max_new=MAX_NEW_TOKENS,
        ledger=places.folder / "shadow.db",
        port=places.port,
    )
    places.config.write_text(text, encoding="utf-8")
    return places.config


def _candidate(part: Part, models_url: str) -> str:
    return _CANDIDATE.format(
        name=part.name,
        space=" " * max(1, 24 - len(part.name)),
        pitch=part.pitch,
        models_url=models_url,
        input_usd=part.input_usd,
        output_usd=part.output_usd,
    )
