"""A child process of `shadow run`: `python -m shadow.app replayer|evaluator`, settings on standard input."""

import sys


def main() -> int:
    """Runs one role until its pipe closes, its parent is gone, or its job is done."""
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    if role == "replayer":
        from shadow.app.replaying import main as replayer

        return replayer()
    if role == "evaluator":
        from shadow.app.evaluating import main as evaluator

        return evaluator()
    sys.stderr.write("this is the inside of `shadow run`; start that instead\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
