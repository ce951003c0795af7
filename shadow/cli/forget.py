"""`shadow forget`: erases the text and the names of a request, a session or a user."""

import click


@click.command()
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False), help="The configuration file.")
@click.option("--id", "request_ids", multiple=True, help="A request id; may be given several times.")
@click.option("--session", "sessions", multiple=True, help="A session; may be given several times.")
@click.option("--user", "users", multiple=True, help="A user as the requests named it; may be given several times.")
def command(config: str, request_ids: tuple[str, ...], sessions: tuple[str, ...], users: tuple[str, ...]) -> None:
    """Erases the texts and ids of a request, a session or a user from the ledger.

    Numbers, scores and verdicts stay: nothing in them leads back. Ids and sessions are replaced by random ones, user keys,
    tags and texts are deleted, and the database's files are rewritten so that no old bytes are left in them (about 10 s
    and the ledger's size of free disk per gigabyte). Records that are still in the topic would be read again only by a new
    ledger; backups, exports and the topic itself are yours to clear.

    \b
    Example:     shadow forget -c shadow.yaml --id req-1
                 shadow forget -c shadow.yaml --user jane@example.com
    Exit codes:  0 done (also when nothing was found), 2 invalid configuration or options, 3 no ledger or no answer
    """
    from shadow.cli.opening import opened

    if not (request_ids or sessions or users):
        raise click.UsageError("name what to forget with --id, --session or --user")
    with opened(config, read_only=False) as (_, ledger):
        touched = sum(ledger.forget(request_id=name, wipe_files=False) for name in request_ids)
        touched += sum(ledger.forget(session=name, wipe_files=False) for name in sessions)
        touched += sum(ledger.forget(user=name, wipe_files=False) for name in users)
        ledger.wipe()
    click.echo(f"{touched:,} calls forgotten" if touched else "nothing of that is in the ledger")
