import subprocess
import sys

HEAVY = ("torch", "numpy", "scipy", "sqlalchemy", "uvicorn", "starlette", "sentence_transformers")


def test_the_replaying_side_imports_nothing_heavy() -> None:
    code = (
        "import sys, shadow.replay.openai_http, shadow.replay.arms, shadow.replay.lag, shadow.replay.variants\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"
