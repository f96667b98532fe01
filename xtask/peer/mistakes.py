"""Puts typical mistakes into the models and the SDK's alignment, one after another, and sees whether a test of
recorded values fails.

    python3 xtask/peer/mistakes.py FOLDER [MODEL..]

FOLDER is a clone of this repository that may be changed, with `cargo xtask setup` done. A build has a mistake of each
model, since the tests of a model look at that model alone. `mistakes.toml` has them, with what they replace; `--check`
only looks whether that is there.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent


# The alignment of the CMU SDK, whose recorded values are in `fixtures/golden_csd`.
ALIGN = "align"

# What several models read: a mistake there is alone in its build.
SHARED = ("src/model/bert/", "src/model/layers/", "src/train/")


def models_of(mistake):
    """The models whose tests are to find it."""
    return [mistake["model"]] if isinstance(mistake["model"], str) else mistake["model"]


def is_shared(mistake):
    return mistake["file"].startswith(SHARED)


def rounds(mistakes):
    """Mistakes that can be in one build: one for each model and file, or one in what models share."""
    waiting = list(mistakes)
    while waiting:
        taken = []
        for mistake in waiting:
            is_alone = is_shared(mistake) or any(is_shared(other) for other in taken)
            if taken and is_alone:
                continue
            models = {model for other in taken for model in models_of(other)}
            if models.isdisjoint(models_of(mistake)) and all(other["file"] != mistake["file"] for other in taken):
                taken.append(mistake)
        yield taken
        waiting = [mistake for mistake in waiting if mistake not in taken]


def applied(root, mistake):
    """The file of a mistake, its text, and its text with the mistake."""
    path = root / mistake["file"]
    text = changed = path.read_text()
    for prefix in ("", "and_"):
        replaced = mistake.get(f"{prefix}from", "")
        n_found = changed.count(replaced)
        if replaced and n_found != 1:
            sys.exit(f"{mistake['model']}: {mistake['title']}: found {n_found} times in {mistake['file']}")
        if replaced:
            changed = changed.replace(replaced, mistake[f"{prefix}to"])
    return path, text, changed


def apply(root, mistake):
    path, text, changed = applied(root, mistake)
    path.write_text(changed)
    return path, text


def failed_tests(root, mistakes):
    """Names of the failed tests of recorded values and of layers, and, if they did not run, the reason."""
    models = sorted({model for mistake in mistakes for model in models_of(mistake)} - {ALIGN})
    filters = [f"train::published::{model}::" for model in models] + ["model::", "train::optimizer"]
    suites = {False: ["--lib", "--quiet", "--", *filters], True: ["--test", "integration", "--quiet", "--", "align::"]}
    failed = set()
    for suite in sorted({models_of(mistake) == [ALIGN] for mistake in mistakes}):
        call = subprocess.run(["cargo", "test", *suites[suite]], cwd=root, capture_output=True, text=True)
        if "\ntest result: " not in call.stdout:
            return set(), call.stderr[-4000:]
        failed |= {line.strip() for line in call.stdout.splitlines() if line.startswith("    ")}
    return {name for name in failed if name.startswith(("train::", "model::", "align::"))}, None


def is_by(name, model, mistake):
    """Whether a test looks at what a mistake is in: a model, or the file."""
    if model == ALIGN:
        return name.startswith("align::")
    file = mistake["file"].removeprefix("src/").removesuffix(".rs").replace("/", "::")
    return f"::{model}::" in name or name.startswith(f"{file}::tests::")


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    root, models = Path(arguments[0]).resolve(), arguments[1:]
    mistakes = tomllib.loads((HERE / "mistakes.toml").read_text())["mistake"]
    if models:
        mistakes = [mistake for mistake in mistakes if set(models) & set(models_of(mistake))]
    if "--check" in sys.argv:
        for mistake in mistakes:
            applied(root, mistake)
        print(f"{len(mistakes)} mistakes, {len(list(rounds(mistakes)))} builds")
        return
    n_missed = 0
    for taken in rounds(mistakes):
        before = [apply(root, mistake) for mistake in taken]
        failed, problem = failed_tests(root, taken)
        for path, text in reversed(before):
            path.write_text(text)
        for model, mistake in [(model, mistake) for mistake in taken for model in models_of(mistake)]:
            found = [name for name in failed if is_by(name, model, mistake)]
            n_missed += not found
            verdict = f"found by {len(found)}" if found else "NOT TRIED" if problem else "NOT FOUND"
            print(f"{model:<9} {mistake['title']}: {verdict}", flush=True)
        if problem:
            print(problem, flush=True)
    sys.exit(n_missed)


main()
