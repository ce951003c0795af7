"""The commands that look at a ledger: what they print, and the code they leave with."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders_ledger import a_batch, a_question, a_row, an_empty_batch, opened
from click.testing import CliRunner, Result

from shadow.cli import coverage, export, forget, why
from shadow.cli.exporting import COLUMNS, iso
from shadow.cli.visible import visible
from shadow.errors import ConfigurationError, LedgerError, UnreachableError
from shadow.ledger.base import RecordRow, TextRow
from shadow.ledger.identity import user_key
from shadow.ledger.sql import SqlLedger

CONFIG = """
candidates:
  - {{name: cand-a, backend: {{kind: openai, url: "http://127.0.0.1:1/v1", model: m}}}}
  - {{name: new, backend: {{kind: openai, url: "http://127.0.0.1:1/v1", model: m}}}}
ledger: {{url: "sqlite:///{path}"}}
"""
ESCAPES = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe [red]bold[/red] \r"


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "shadow.yaml").write_text(CONFIG.format(path=tmp_path / "ledger.db"))
    return str(tmp_path / "shadow.yaml")


@pytest.fixture
def ledger(config: str, tmp_path: Path) -> SqlLedger:
    found = opened(f"sqlite:///{tmp_path}/ledger.db")
    found.load_position(a_question(), group="g")
    return found


def run(command: Any, *arguments: str) -> Result:
    result = CliRunner().invoke(command.command, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_coverage_adds_up_for_scripts(config: str, ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3))
    ledger.commit(an_empty_batch(3, 4, gaps=1, next_offset=8))

    result = run(coverage, "-c", config, "--json")

    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert list(found) == ["read", "dispositions", "residual", "arms"]
    assert (found["read"], found["residual"]) == (7, 0)
    assert {k: v for k, v in found["dispositions"].items() if v} == {"scored": 3, "not_sampled": 4}
    assert found["arms"]["incumbent"] == {"outcomes": 3, "failures": 0, "output_tokens": 120}
    assert found["arms"]["new"] == {"outcomes": 0, "failures": 0, "output_tokens": 0}
    ledger.close()


def test_coverage_leaves_with_1_when_it_does_not_add_up(config: str, ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3, dispositions={"scored": 2}))

    assert run(coverage, "-c", config, "--json").exit_code == 1
    shown = run(coverage, "-c", config)
    assert shown.exit_code == 1
    assert "Residual 1" in shown.stdout
    assert f"shadow verify -c {config}" in " ".join(shown.stdout.split())
    ledger.close()


def test_lost_records_are_no_residual_and_are_said(config: str, ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3))
    ledger.load_position(a_question(begin_offset=10), group="g")

    shown = run(coverage, "-c", config)

    assert shown.exit_code == 0
    assert "7 records fell to the topic's retention" in shown.stdout
    assert "3 records read" in shown.stdout
    ledger.close()


def test_coverage_of_nothing_says_so(config: str, tmp_path: Path) -> None:
    opened(f"sqlite:///{tmp_path}/ledger.db").close()

    shown = run(coverage, "-c", config)

    assert (shown.exit_code, "Nothing was read yet" in shown.stdout) == (0, True)
    assert json.loads(run(coverage, "-c", config, "--json").stdout)["read"] == 0


@pytest.mark.parametrize(
    ("command", "arguments"), [(coverage, ()), (why, ("x",)), (export, ("--out", "o.jsonl")), (forget, ("--id", "x"))]
)
def test_a_ledger_that_does_not_exist_yet_is_not_made(
    config: str, tmp_path: Path, command: Any, arguments: Any
) -> None:
    with pytest.raises(LedgerError, match="does not exist yet; `shadow run -c FILE` creates it"):
        run(command, "-c", config, *arguments)

    assert [path.name for path in tmp_path.iterdir()] == ["shadow.yaml"]


def test_no_ledger_is_exit_code_3(config: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shadow", "coverage", "-c", config], capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout) == (3, "")
    assert "does not exist yet" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_configuration_is_said() -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        run(coverage, "-c", "/nowhere/shadow.yaml")


def test_why_tells_what_became_of_a_request(config: str, ledger: SqlLedger) -> None:
    rows = (
        a_row(0, "incumbent", id="r1"),
        a_row(0, id="r1", failure="timeout", scores={"agreement": 0.0}, reasons={"agreement": "no answer"}),
        a_row(
            0,
            "cand-b",
            id="r1",
            failure="unavailable",
            findings=[{"scorer": "leakage", "category": "email", "count": 2}],
        ),
    )
    ledger.commit(
        a_batch(
            0,
            1,
            outcomes=rows,
            records=(RecordRow(offset=0, ids=("r1",), disposition="scored", reason=None, ts_unix_ms=0),),
        )
    )

    shown = run(why, "r1", "-c", config).stdout

    for words in (
        "t partition 0 offset 0, 1970-01-01T00:00:00.000Z",
        "replayed to every arm",
        "timeout",
        "no answer",
        "email x2",
        "unavailable",
    ):
        assert words in " ".join(shown.replace("│", " ").split()), words
    assert "text 0" not in shown
    assert "text 0 cand-a" in run(why, "r1", "-c", config, "--text").stdout
    found = json.loads(run(why, "r1", "-c", config, "--json").stdout)
    assert [o["failure"] for o in found["outcomes"]] == ["timeout", "unavailable", None]
    ledger.close()


def test_why_of_an_unknown_id_leaves_with_1(config: str, ledger: SqlLedger) -> None:
    result = run(why, "nobody\x1b[2J", "-c", config)

    assert result.exit_code == 1
    assert "this id is not in the ledger" in result.stderr
    assert "\x1b" not in result.stderr
    ledger.close()


def test_text_from_traffic_cannot_steer_the_terminal(config: str, ledger: SqlLedger) -> None:
    row = a_row(
        0,
        id="r1",
        segment=ESCAPES,
        labels={"agreement": ESCAPES},
        reasons={"agreement": ESCAPES},
        scores={"agreement": 1.0},
    )
    ledger.commit(
        a_batch(0, 1, outcomes=(row,), records=(RecordRow(offset=0, ids=("r1",), disposition="scored", reason=ESCAPES, ts_unix_ms=None),),
                texts=(TextRow(offset=0, call=0, arm="cand-a", text=ESCAPES + "\nnext line"),))
    )  # fmt: skip

    shown = run(why, "r1", "-c", config, "--text").stdout

    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(shown)
    assert "[red]bold[/red]" in shown
    assert "next line" in shown.splitlines()[-1]
    ledger.close()


def test_export_writes_the_promised_columns(config: str, ledger: SqlLedger, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"weight_exponent": 3, "ts_unix_ms": 1_764_000_000_123, "session": None, "route": None}
    ledger.commit(a_batch(0, 1, outcomes=(a_row(0, "incumbent", **changes), a_row(0, **changes))))
    out = tmp_path / "out.jsonl"

    result = run(export, "-c", config, "--out", str(out))

    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert result.exit_code == 0
    assert "2 outcomes written" in result.stderr
    assert [r["arm"] for r in rows] == ["cand-a", "incumbent"]
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["ts"], rows[0]["weight"], rows[0]["session"]) == ("2025-11-24T16:00:00.123Z", 0.125, None)
    assert (rows[0]["scores"], rows[1]["epoch"]) == ({"agreement": 0.5, "relevance": None}, None)
    ledger.close()


def test_export_to_parquet_holds_the_same(config: str, ledger: SqlLedger, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    finding = {"scorer": "leakage", "category": "email", "count": 2}
    rows = tuple(a_row(o, findings=[finding] if o else [], failure=None if o else "timeout") for o in range(2))
    ledger.commit(a_batch(0, 2, outcomes=rows))
    out = tmp_path / "out.parquet"

    run(export, "-c", config, "--out", str(out))

    found = parquet.read_table(out).to_pylist(maps_as_pydicts="strict")
    run(export, "-c", config, "--out", str(tmp_path / "out.jsonl"))
    assert found == [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    ledger.close()


def test_an_empty_export_is_a_file_too(config: str, ledger: SqlLedger, tmp_path: Path) -> None:
    for name in ("out.jsonl", "out.parquet"):
        assert run(export, "-c", config, "--out", str(tmp_path / name)).exit_code == 0
        assert (tmp_path / name).exists()
    ledger.close()


def test_an_export_that_breaks_off_leaves_the_old_file(
    config: str, ledger: SqlLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.commit(a_batch(0, 3))
    out = tmp_path / "out.jsonl"
    out.write_text("before")

    def broken(row: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shadow.cli.exporting.export_row", broken)
    with pytest.raises(UnreachableError, match="No space left on device; name another file"):
        run(export, "-c", config, "--out", str(out))

    assert out.read_text() == "before"
    assert not list(tmp_path.glob(".out*"))
    ledger.close()


def test_export_knows_two_formats(config: str, ledger: SqlLedger) -> None:
    result = run(export, "-c", config, "--out", "out.csv")

    assert result.exit_code == 2
    assert "neither in .jsonl nor in .parquet" in result.stderr
    ledger.close()


def test_forget_takes_several_names_at_once(config: str, ledger: SqlLedger) -> None:
    key = user_key("jane", ledger.ledger_id())
    rows = tuple(a_row(o, id=f"r{o}", session=f"s{o}", user_key=key if o == 4 else None) for o in range(6))
    ledger.commit(a_batch(0, 6, outcomes=rows, records=()))

    result = run(forget, "-c", config, "--id", "r0", "--id", "r1", "--session", "s2", "--user", "jane", "--id", "no")

    assert (result.exit_code, result.stdout) == (0, "4 calls forgotten\n")
    assert [r.offset for r in ledger.outcomes() if not r.id.startswith("erased-")] == [3, 5]
    assert run(forget, "-c", config, "--id", "r0").stdout == "nothing of that is in the ledger\n"
    ledger.close()


def test_forget_asks_what(config: str, ledger: SqlLedger) -> None:
    assert run(forget, "-c", config).exit_code == 2
    ledger.close()


@pytest.mark.parametrize("command", [coverage, why, export, forget])
def test_help_gives_an_example_and_the_exit_codes(command: Any) -> None:
    shown = run(command, "--help").stdout

    assert "Example:" in shown
    assert "Exit codes:" in shown


def test_times_that_no_calendar_has_are_unknown() -> None:
    assert (iso(None), iso(10**17), iso(-(10**17)), iso(0)) == (None, None, None, "1970-01-01T00:00:00.000Z")


def test_visible_text_is_bounded_and_keeps_words() -> None:
    assert visible("a\nb\tc") == "a\\nb\\x09c"
    assert visible("a\nb", lines=True) == "a\nb"
    assert visible("x" * 30, limit=10) == "xxxxxxxxxx [... 20 more characters]"
    assert visible("\u202eé\ud800") == "\\u202eé\\ud800"
