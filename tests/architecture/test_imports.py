"""The import directions of the design, read from the source: who may import whom, and what nobody may."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
FILES = sorted((SOURCE / "masklet").rglob("*.py"))

VALUES = {"types", "config"}
ENGINE = VALUES | {"ops", "model"}
LIBRARY = ENGINE | {"tracking", "io", "checkpoint", "runtime", "predictors"}

ALLOWED: dict[str, set[str]] = {
    "types": set(),
    "config": set(),
    "ops": VALUES,
    "model": VALUES | {"ops"},
    "tracking": ENGINE,
    "io": {"types", "ops"},
    "checkpoint": VALUES | {"model", "io"},
    "runtime": VALUES | {"model", "checkpoint"},
    "predictors": ENGINE | {"tracking", "io"},
    "datasets": {"types", "ops", "io"},
    "training": ENGINE | {"tracking", "io", "checkpoint", "datasets"},
    "evaluation": LIBRARY | {"datasets"},
    "compat": LIBRARY,
    "server": LIBRARY,
    "cli": LIBRARY | {"datasets", "evaluation", "training", "server"},
    "": LIBRARY,  # masklet/__init__.py
    "__main__": {"cli"},
}
"""Part -> the other parts it may import. A part is a package or a module directly under masklet."""

OPTIONAL: dict[str, set[str]] = {
    "fastapi": {"server"},
    "lightning_fabric": {"training"},
    "onnx": set(),
    "pydantic": {"training"},
    "skimage": {"training"},
    "sqlalchemy": {"server"},
    "supervision": set(),
    "tensorboard": {"training"},
    "transformers": set(),
    "uvicorn": {"server"},
}
"""Packages of the extras -> the parts that may import them at the top of a file; elsewhere a function does it."""

FORBIDDEN_IN_MODEL = re.compile(r"compile|offload|hub\b|hugging|\bpath|safetensors|\.pt\b|\bopen\b", re.IGNORECASE)


@dataclass(frozen=True)
class Import:
    """One import statement's target, as a dotted name, and where it stands. for_types: no program runs it."""

    file: Path
    line: int
    target: str
    top_level: bool
    for_types: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(SOURCE.parent)}:{self.line} imports {self.target}"


def module_name(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in FILES}


def part_of(module: str) -> str:
    """The part a module belongs to; the empty name for masklet itself."""
    return module.split(".")[1] if "." in module else ""


def imports_of(file: Path) -> Iterator[Import]:
    """Every import in a file. `from a import b` counts as the module a.b where there is one, else as a."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inside_functions = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    package = module_name(file).split(".")
    if file.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                targets.append(whole if whole in MODULES else base)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            first = node.args[0] if node.args else None
            targets = [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
        for target in dict.fromkeys(targets):
            yield Import(file, node.lineno, target, id(node) not in inside_functions, id(node) in for_types)


IMPORTS = [found for file in FILES for found in imports_of(file)]
OWN = [found for found in IMPORTS if found.target.split(".")[0] == "masklet"]


def test_source_is_found() -> None:
    assert len(FILES) > 10
    assert len(OWN) > 10


def test_each_part_is_known() -> None:
    unknown = sorted({part_of(module) for module in MODULES} - ALLOWED.keys())
    assert not unknown, f"give these parts a row in ALLOWED, as the design has them: {unknown}"


def test_the_directions_are_directions() -> None:
    TopologicalSorter(ALLOWED).prepare()


def test_parts_import_only_what_is_below_them() -> None:
    wrong = []
    for found in OWN:
        part, target = part_of(module_name(found.file)), part_of(found.target)
        if target != part and target not in ALLOWED.get(part, set()):
            wrong.append(str(found))
    assert not wrong, "against the import directions:\n" + "\n".join(wrong)


def test_there_are_no_cycles() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in OWN:
        graph[module_name(found.file)].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("modules import each other: " + " <- ".join(error.args[1]))


def test_no_lazy_import_hides_a_cycle() -> None:
    lazy = [str(found) for found in OWN if not found.top_level]
    assert not lazy, "masklet's own modules are imported at the top of a file:\n" + "\n".join(lazy)


def test_nothing_is_called_utils() -> None:
    named = [str(file) for file in FILES if re.fullmatch(r"utils?|helpers?|common|misc", file.stem)]
    named += [str(file) for file in FILES if file.parent.name in ("utils", "helpers", "common", "misc")]
    assert not named, f"name these after what they hold: {named}"


def test_optional_packages_are_not_needed_to_import() -> None:
    wrong = []
    for found in IMPORTS:
        package = found.target.split(".")[0]
        needed = found.top_level and not found.for_types
        if needed and package in OPTIONAL and part_of(module_name(found.file)) not in OPTIONAL[package]:
            wrong.append(str(found))
    assert not wrong, (
        "these packages come with an extra, so import them in the function that needs them:\n" + "\n".join(wrong)
    )


def words_of(file: Path) -> Iterator[tuple[int, str]]:
    """Names, and strings that are no docstrings, with their lines."""
    text = file.read_text(encoding="utf-8")
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.add(node.lineno)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME or (token.type == tokenize.STRING and token.start[0] not in docstrings):
            yield token.start[0], token.string


def test_the_model_knows_nothing_of_how_it_is_run_or_stored() -> None:
    wrong = [
        f"{file.relative_to(SOURCE.parent)}:{line} says {word}"
        for file in FILES
        if part_of(module_name(file)) == "model"
        for line, word in words_of(file)
        if FORBIDDEN_IN_MODEL.search(word)
    ]
    assert not wrong, "compilation, offloading, hubs and files belong to runtime and checkpoint:\n" + "\n".join(wrong)


QUIET_IMPORT = """
import random, sys
import numpy, torch
threads, dtype, grad = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
def states():
    return random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
seeds = states()
tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
import masklet
assert threads == torch.get_num_threads(), "the number of threads changed"
assert dtype == torch.get_default_dtype(), "the default dtype changed"
assert grad == torch.is_grad_enabled(), "gradients were switched"
assert seeds == states(), "a seed moved"
assert tf32 == (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32), "TF32 was switched"
assert not torch.cuda.is_initialized(), "CUDA was initialised"
heavy = {names} & sys.modules.keys()
assert not heavy, f"importing masklet imports {{sorted(heavy)}}"
assert "masklet.cli" not in sys.modules, "the library imports its command line"
"""


def test_importing_masklet_changes_nothing(tmp_path: Path) -> None:
    program = QUIET_IMPORT.format(names=repr(set(OPTIONAL)))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{program}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert run.stderr == ""
    assert list(tmp_path.iterdir()) == []
