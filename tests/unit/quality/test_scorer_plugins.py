"""Somebody else's scorer, installed as its own distribution, is a kind like any other. The scorer is the documented one."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "scorers" / "your-own.md"
METADATA = "Metadata-Version: 2.1\nName: courtesy-scorer\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def entry_points() -> str:
    """The table of the documented pyproject.toml, in the form a build back end writes."""
    match = re.search(
        r'^\[project\.entry-points\."(?P<group>[^"]+)"\]\n(?P<lines>(?:\w+ = "[^"]+"\n)+)', PAGE.read_text(), re.M
    )
    assert match is not None
    return f"[{match['group']}]\n" + match["lines"].replace('"', "")


def install(folder: Path, *, source: str, points: str) -> Path:
    """Builds a wheel and installs it into a folder of its own with pip, offline."""
    wheel = folder / "courtesy_scorer-1.0-py3-none-any.whl"
    info = "courtesy_scorer-1.0.dist-info"
    files = {
        "courtesy_scorer.py": source,
        f"{info}/METADATA": METADATA,
        f"{info}/WHEEL": WHEEL,
        f"{info}/entry_points.txt": points,
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD")))
    site = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "--target", site, wheel], check=True, timeout=100, capture_output=True
    )
    return site


def shadow(site: Path, *arguments: str, text: str = "", command: str = "score") -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT), str(site)])
    return subprocess.run(
        [sys.executable, "-m", "shadow", command, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": paths},
        cwd=site,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = re.search(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert source is not None
    return install(tmp_path_factory.mktemp("plugin"), source=source[1], points=entry_points())


CASES = "".join(
    json.dumps({"id": i, "prompt": "Open it", "candidate": text}) + "\n"
    for i, text in (("a", "Would you kindly?"), ("b", "Open, please."))
)


@pytest.mark.parametrize(("options", "values"), [((), [0.0, 1.0]), (("--option", "word=kindly"), [1.0, 0.0])])
def test_an_installed_plugin_scores_cases(site: Path, options: tuple[str, ...], values: list[float]) -> None:
    result = shadow(site, "--scorer", "courtesy", *options, text=CASES)

    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.split("\n") if line]
    assert [(r["scorer"], r["value"]) for r in rows] == [("courtesy", v) for v in values]


def test_an_installed_plugin_is_listed_with_its_summary(site: Path) -> None:
    result = shadow(site, "--list")

    (line,) = [line for line in result.stdout.split("\n") if line.startswith("courtesy")]
    assert "says please" in line


def test_a_misspelt_option_of_a_plugin_is_answered_with_the_right_one(site: Path) -> None:
    result = shadow(site, "--scorer", "courtesy", "--option", "wrod=x")

    assert result.returncode == 2
    assert "did you mean 'word'" in result.stderr


def test_without_the_plugin_its_kind_is_unknown(tmp_path: Path) -> None:
    result = shadow(tmp_path, "--scorer", "courtesy")

    assert result.returncode == 2
    assert "no scorer 'courtesy'" in result.stderr


def test_a_plugin_that_does_not_import_is_listed_so_and_spoils_nothing(tmp_path: Path) -> None:
    site = install(tmp_path, source="import no_such_module_anywhere\n", points=entry_points())

    listed = shadow(site, "--list")
    others = shadow(site, "--scorer", "exact", text='{"id": "1", "prompt": "Q", "incumbent": "a", "candidate": "a"}\n')
    asked = shadow(site, "--scorer", "courtesy", text=CASES)

    assert "does not import: ModuleNotFoundError" in listed.stdout
    assert others.returncode == 0
    assert asked.returncode != 0
    assert "Traceback" not in asked.stderr


def test_a_plugin_cannot_take_over_a_built_in_kind(tmp_path: Path) -> None:
    site = install(
        tmp_path, source="raise SystemExit('taken over')\n", points="[shadow.scorers]\nexact = courtesy_scorer\n"
    )

    result = shadow(site, "--scorer", "exact", text='{"id": "1", "prompt": "Q", "incumbent": "a", "candidate": "a"}\n')

    assert result.returncode == 0
    assert json.loads(result.stdout)["value"] == 1.0


@pytest.mark.parametrize(("option", "code", "said"), [("word", 0, "courtesy"), ("wrod", 2, "'word'")])
def test_a_configuration_may_name_the_plugin(site: Path, tmp_path: Path, option: str, code: int, said: str) -> None:
    topic = tmp_path / "calls.jsonl"
    topic.write_text("")
    config = tmp_path / "shadow.yaml"
    backend = {"kind": "openai", "url": "http://127.0.0.1:9/v1", "model": "m"}
    config.write_text(
        json.dumps(
            {
                "source": {"kind": "jsonl", "path": str(topic)},
                "incumbent": {"name": "prod"},
                "candidates": [{"name": "next", "backend": backend}],
                "scorers": [{"kind": "courtesy", option: "kindly"}],
                "policy": {"quality": "courtesy"},
                "ledger": {"url": f"sqlite:///{tmp_path}/shadow.db", "text": "none"},
            }
        )
    )

    result = shadow(site, "-c", str(config), command="check")

    assert result.returncode == code, result.stdout + result.stderr
    assert said in result.stdout + result.stderr
