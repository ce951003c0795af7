"""Who answers and how it is asked: incumbent, baseline, candidates, replay, prices."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from shadow.settings.base import Name, Section, Url


class Price(Section):
    """What an arm costs: per million tokens, or per GPU-hour with idle time included. Unknown stays unknown."""

    input_usd_per_million: float | None = Field(None, ge=0)
    cached_input_usd_per_million: float | None = Field(None, ge=0)
    output_usd_per_million: float | None = Field(None, ge=0)
    reasoning_usd_per_million: float | None = Field(None, ge=0)
    gpu_usd_per_hour: float | None = Field(None, ge=0)
    gpus: float = Field(1, gt=0)

    @model_validator(mode="after")
    def _one_way(self) -> "Price":
        if self.gpu_usd_per_hour is not None and self.output_usd_per_million is not None:
            raise ValueError("price an arm per token or per GPU-hour, not both")
        return self


class Incumbent(Section):
    """The model that answers production now."""

    name: Name = "incumbent"
    price: Price | None = None


class Baseline(Section):
    """The A/A arm: the incumbent asked again by the same client at the same moment; the noise floor of every difference."""

    url: Url
    model: str
    rate: float = Field(0.0625, gt=0, le=1)
    max_requests_per_second: float = Field(2, gt=0)
    max_tokens_per_minute: int | None = Field(None, gt=0)
    api_key_file: str | None = None
    api_key_env: str | None = None
    price: Price | None = None


class Duplicates(Section):
    """A noise floor without a baseline: a repeated request takes the answer that production gave to it before.

    Says something of repeated requests only. Off by default: an answer from a cache that does not say so would make the
    incumbent look as if it never varied.
    """

    enabled: bool = False
    max_bytes: int = Field(
        32 * 2**20,
        ge=2**16,
        description="memory for earlier answers per worker; the oldest go first, nothing is written",
    )


class OpenAIBackend(Section):
    """A server that speaks the OpenAI protocol (vLLM, SGLang, TGI, llama.cpp, a hosted API)."""

    kind: Literal["openai"] = "openai"
    url: Url = Field(description="base URL that ends in /v1")
    model: str = Field(min_length=1)
    api_key_file: str | None = None
    api_key_env: str | None = None
    headers: dict[str, str] = {}


class VllmBackend(Section):
    """A `vllm serve` that Shadow starts, watches and restarts; it lives in its own Python environment."""

    kind: Literal["vllm"] = "vllm"
    model: str = Field(min_length=1)
    args: list[str] = []
    python: str | None = Field(None, description="Python of the engine's environment; absent: the one Shadow runs in")
    env: dict[str, str] = {}
    port: int = Field(0, ge=0, le=65535)
    gpus: list[int] = []
    gpu_memory_share: float | None = Field(None, gt=0, le=1)
    start_timeout_seconds: float = Field(900, gt=0)
    max_restarts_per_hour: int = Field(5, ge=0)


class Variant(Section):
    """What differs from the plain request for one candidate, beside the model."""

    system_prompt: str | None = None
    system_prompt_mode: Literal["replace", "prepend"] = "replace"
    template: str | None = None
    sampling: dict[str, Any] = {}
    lora: str | None = None


class Candidate(Section):
    """One model that wants the incumbent's place."""

    name: Name
    backend: Annotated[OpenAIBackend | VllmBackend, Field(discriminator="kind")]
    price: Price | None = None
    variant: Variant = Variant()
    drop: list[str] = Field([], description="request fields this server refuses: left out, counted")
    map: dict[str, str] = Field({}, description="request fields this server names differently")
    axes: dict[str, dict[str, dict[str, Any] | None]] = Field(
        {},
        description="variations, each axis with named parts of a candidate: every combination becomes an arm of its own",
    )

    @model_validator(mode="after")
    def _multiplied_out(self) -> "Candidate":
        if self.axes:
            raise ValueError("axes: are multiplied out where a file is read; give plain candidates here")
        return self


class Replay(Section):
    """How requests are sent; every limit is per arm and worker."""

    concurrency: int = Field(32, ge=1, le=4096)
    timeout_seconds: float = Field(60, gt=0, description="total for one call and arm, retries included")
    retries: int = Field(2, ge=0, le=10)
    retry_budget: float = Field(0.2, ge=0, le=1, description="retries as a share of requests")
    stream: bool = True
    start_timeout_seconds: float = Field(600, ge=0)
    max_output_tokens: int = Field(2048, ge=1)
    max_answer_bytes: int = Field(4 * 2**20, ge=1024)
    tokenizers_equal: bool = Field(
        False, description="send logit_bias: the operator states that token ids mean the same"
    )
    drop: list[str] = []
    map: dict[str, str] = {}
    window_calls: int = Field(512, ge=1)
    window_bytes: int = Field(64 * 2**20, ge=2**20)
    warmup_calls: int = Field(2, ge=0)
    drain_seconds: float = Field(10, ge=0)
