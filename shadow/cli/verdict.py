"""`shadow verdict`: may a candidate be promoted?"""

import click

from shadow.cli.judge import VerdictCommand

EXIT = {"promote": 0, "reject": 1, "hold": 2}
ORDER = (3, 1, 2, 0)
"""Without --candidate the worst exit counts, in this order."""


@click.command(
    cls=VerdictCommand,
    short_help="May a candidate be promoted? Every gate, interval and reason.",
    epilog="Exit codes: 0 promote, 1 reject, 2 hold, 3 error. Without --candidate the worst counts: 3, 1, 2, 0.",
)
@click.option("-c", "--config", "config", required=True, metavar="FILE", help="The YAML configuration.")
@click.option("--candidate", metavar="NAME", help="Only this candidate.")
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    help="What another policy says of the same evidence (a file with `policy:`).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line per candidate.")
@click.option("--markdown", is_flag=True, help="As a comment for a pull request.")
def command(config: str, candidate: str | None, policy_file: str | None, as_json: bool, markdown: bool) -> None:
    """Print the verdict with every gate, its interval and its reason, and the sentence that says what to do.

    It stays valid however often anyone looks. For CI the exit code is the answer.

    \b
    Examples:  shadow verdict -c shadow.yaml
               shadow verdict -c shadow.yaml --candidate cand-b --json
               shadow verdict -c shadow.yaml --policy stricter.yaml
    """
    import sys

    from rich.console import Console

    from shadow.cli.looking import take_look
    from shadow.configuration import load_policy
    from shadow.errors import ConfigurationError, ShadowError
    from shadow.verdict.lines import as_json as json_of
    from shadow.verdict.lines import last_line
    from shadow.verdict.table import markdown as as_markdown
    from shadow.verdict.table import render

    try:
        seen = take_look(config, None if policy_file is None else load_policy(policy_file))
        views = {view.verdict.candidate: view for view in seen.snapshot.candidates}
        if candidate is not None and candidate not in views:
            raise ConfigurationError([f"{config}: no candidate is called {candidate!r}; there are {', '.join(views)}"])
    except ShadowError as error:
        click.echo(str(error), err=True)
        sys.exit(3)
    chosen = [views[candidate]] if candidate is not None else list(views.values())
    for view in chosen:
        history = [{"n": n, "verdict": word} for _, word, n in view.history]
        first = next((h for h in history if h["verdict"] != "hold"), None)
        if as_json:
            click.echo(json_of(last_line(view.verdict, first, view.calibration)))
        elif markdown:
            click.echo(as_markdown(view.verdict, seen.policy, view.calibration))
        else:
            Console().print(render(view.verdict, seen.policy, view.calibration))
    sys.exit(min((EXIT[view.verdict.word] for view in chosen), key=ORDER.index))
