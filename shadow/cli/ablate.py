"""`shadow ablate`: what each layer of a candidate is worth, measured on a live engine."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from shadow.app.ablating import Ablated
    from shadow.settings import Candidate

_HELP = """What each layer of a candidate is worth: silence a part of a live engine, ask the cases, put it back, compare.

An engine of its own is started for the candidate (kind: vllm) and asked every case of --cases at temperature 0, untouched
twice and then once per ablation. Effects are paired differences of the configured scorers, with intervals. After each
ablation the engine has to be what it was: the same bytes, the same answers. Finished ablations are kept in --out: the same
command goes on where it was stopped.

\b
A case:   {"id": "1", "prompt": "Where is it?", "expected": "On Monday.", "max_tokens": 64}, or a mirrored record
Parts:    attn, mlp, and layer for both at once; --together makes one ablation of everything that is chosen

\b
Examples:
  shadow ablate --candidate cand-b --layers all --parts attn,mlp --cases cases.jsonl --out ablation -c shadow.yaml
  shadow ablate --candidate cand-b --layers 20-23 --parts layer --together --cases cases.jsonl -c shadow.yaml
  shadow ablate --candidate cand-b --layers 20-23 --parts layer --write-checkpoint smaller -c shadow.yaml

\b
Exit codes: 0 no ablation is proven worse, or the checkpoint is written; 1 at least one is proven worse than the policy's
            margin; 2 invalid configuration, options or cases; 3 the engine failed, or was not what it had been afterwards
"""


@click.command(help=_HELP)
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False), help="The configuration file.")
@click.option("--candidate", "name", required=True, help="Which candidate; its backend has to be kind: vllm.")
@click.option("--layers", required=True, help="all, or numbers and ranges such as 1,4-7.")
@click.option("--parts", default="attn,mlp", show_default=True, help="One or more of attn, mlp, layer.")
@click.option("--cases", type=click.Path(dir_okay=False), help="JSONL of cases or mirrored records.")
@click.option("--scale", default=0.0, show_default=True, help="What the outputs are multiplied by.")
@click.option("--together", is_flag=True, help="One ablation of all chosen layers and parts at once.")
@click.option(
    "--out",
    default="ablation",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of report.json, effects.svg and the state.",
)
@click.option(
    "--write-checkpoint",
    "checkpoint",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a copy of the model with all that is chosen scaled, for any engine; nothing is served or asked.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
def command(
    config: str,
    name: str,
    layers: str,
    parts: str,
    cases: str | None,
    scale: float,
    together: bool,
    out: Path,
    checkpoint: Path | None,
    as_json: bool,
) -> None:
    """Measures or writes, prints, exits 1 where an ablation is proven worse."""
    import json
    import math

    from shadow.app.ablating import ablate, candidate_of
    from shadow.app.checking import validated
    from shadow.errors import ConfigurationError
    from shadow.suites.ablate import chosen_parts
    from shadow.suites.ablate_cases import read_cases
    from shadow.suites.ablate_report import as_json as report_of
    from shadow.suites.ablate_report import picture
    from shadow.suites.ablate_run import Wish

    if not math.isfinite(scale):
        raise ConfigurationError([f"--scale: {scale} is no number to multiply by; 0 silences a part"])
    wish = Wish(layers=layers, parts=chosen_parts(parts), scale=scale, together=together)
    settings = validated(config).settings
    candidate = candidate_of(settings, name)
    if checkpoint is not None:
        _write_checkpoint(candidate, wish, checkpoint, as_json=as_json)
        return
    if cases is None:
        raise click.UsageError("say which cases to ask: --cases FILE (or write a model: --write-checkpoint DIR)")
    file = read_cases(cases, max_output_tokens=settings.replay.max_output_tokens)
    for reason, count in sorted(file.skipped.items()):
        click.echo(f"{count} records cannot be asked: {reason}", err=True)
    result = ablate(settings, candidate, file, wish, out, say=lambda text: click.echo(text, err=True))
    about = {
        "candidate": name,
        "scale": scale,
        "quality": result.quality,
        "margin": result.margin,
        "skipped": file.skipped,
    }
    report = report_of(result.found, begun=result.begun, about=about, restoration=result.restoration)
    title = f"{name}: {'silenced' if scale == 0 else f'scaled by {scale:g}'}, {result.begun.cases} cases"
    drawing = picture(result.found, quality=result.quality, margin=result.margin, title=title)
    _keep(out / "report.json", json.dumps(report, indent=1) + "\n")
    _keep(out / "effects.svg", drawing)
    if as_json:
        click.echo(json.dumps(report))
    else:
        _print(result, out)
    sys.exit(1 if any(finding.state == "worse" for finding in result.found) else 0)


def _keep(path: Path, text: str) -> None:
    from shadow.errors import ConfigurationError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([f"--out: {path} cannot be written ({error.strerror})"]) from None


def _write_checkpoint(candidate: "Candidate", wish: Any, folder: Path, *, as_json: bool) -> None:
    import json

    from shadow.app.ablated_copy import write_checkpoint

    written = write_checkpoint(candidate, wish, folder)
    if as_json:
        click.echo(json.dumps(written))
        return
    click.echo(f"{folder}: {written['changed']} of {written['tensors']} tensors scaled by {wish.scale:g}")
    click.echo(
        f"next:  a candidate with backend: {{kind: vllm, model: {folder}}}, or any engine that reads safetensors"
    )


def _print(result: "Ablated", out: Path) -> None:
    from rich.table import Table

    from shadow.cli.visible import console as make_console
    from shadow.cli.visible import visible
    from shadow.suites.ablate_report import WORDS

    console = make_console()
    table = Table("ablation", "finding", visible(result.quality), "interval", "n", "changed", "failed", "output tokens")
    for finding in result.found:
        effect = finding.effects[result.quality]
        known = effect.point is not None and effect.lower is not None and effect.upper is not None
        ratio = finding.output_tokens_ratio
        table.add_row(
            finding.name,
            WORDS[finding.state],
            f"{effect.point:+.3f}" if known else "unknown",
            f"{effect.lower:+.3f} to {effect.upper:+.3f}" if known else "",
            str(effect.n),
            f"{finding.changed}/{finding.compared}",
            str(sum(finding.failures.values())),
            "unknown" if ratio is None else f"x{ratio:.2f}",
        )
    console.print(table)
    proof = result.restoration
    if proof is None:
        console.print("Every figure was there already; no engine was started.")
    else:
        console.print(
            f"Restored: {proof.tensors} tensors and {proof.packed} packed layers hash as before, "
            f"{proof.answers_same} of {proof.answers} answers are the same byte for byte."
        )
    console.print(
        f"worse: mean drop above {result.margin:g} is proven; not worse: proven within it. Picture: {out}/effects.svg"
    )
