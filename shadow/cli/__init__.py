"""The command line: one module per command, imported only when it is asked for."""

import importlib
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """Where a command lives and the line the overview shows."""

    module: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("shadow.cli.demo", "The whole story on this machine in two minutes, nothing else needed."),
    "init": Entry("shadow.cli.init", "Write a commented configuration to start from."),
    "check": Entry("shadow.cli.check", "Validate a configuration and say what can be decided with it."),
    "run": Entry("shadow.cli.run", "The sidecar: consume, replay, score, account, export."),
    "status": Entry("shadow.cli.status", "One screen: arms, lag, coverage, verdicts, what needs a person."),
    "verdict": Entry("shadow.cli.verdict", "May a candidate be promoted? Every gate, interval and reason."),
    "why": Entry("shadow.cli.why", "What became of one request."),
    "coverage": Entry("shadow.cli.coverage", "Dispositions of everything read; they add up."),
    "verify": Entry("shadow.cli.verify", "Recompute aggregates and verdicts from the outcomes and compare."),
    "export": Entry("shadow.cli.export", "Outcomes as JSONL or Parquet."),
    "plan": Entry("shadow.cli.plan", "How many requests and days until each gate can be decided."),
    "trial": Entry("shadow.cli.trial", "Does shadow load slow the incumbent down? On and off in random blocks."),
    "forget": Entry("shadow.cli.forget", "Erase the text and ids of a request, session or user."),
    "mirror": Entry("shadow.cli.mirror", "A JSONL file of envelopes into the configured topic."),
    "decode": Entry("shadow.cli.decode", "What Shadow reads in your records."),
    "score": Entry("shadow.cli.score", "Score cases from standard input with any scorer."),
    "judge": Entry("shadow.cli.judge", "The verdict over paired outcomes from a file made anywhere."),
    "ablate": Entry("shadow.cli.ablate", "What each layer of a candidate is worth, on a live engine."),
    "simulate": Entry("shadow.cli.simulate", "An OpenAI-compatible server with set delays and faults."),
    "broker": Entry("shadow.cli.broker", "An embedded Kafka-protocol broker, for tests and demos."),
    "self-test": Entry("shadow.cli.self_test", "How wrong our own TTFT and TPOT are on this machine."),
}


class LazyGroup(click.Group):
    """Knows every command by name and summary; imports a command's module when it is invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the story, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None for a name nobody knows."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = importlib.import_module(entry.module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the overview without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest known name in the message."""
        import difflib

        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"no command {name!r}.{hint} `shadow --help` lists them all.")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="shadow-monitor", prog_name="shadow")
def main() -> None:
    """Shadow replays mirrored production requests to candidate models and says, at any moment, whether one may be promoted.

    \b
    Start here:   shadow demo            the whole story on this machine
                  shadow init            a configuration for your own topic and model
                  shadow check -c FILE   what is wrong with it, and what can be decided with it
                  shadow run -c FILE     the sidecar
                  shadow verdict -c FILE promote (exit 0), reject (1) or hold (2)
    """
