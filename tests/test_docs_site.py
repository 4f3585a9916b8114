"""The site's pages speak of files, headings, commands and names that exist."""

import doctest
import importlib
import re
import shlex
import unicodedata
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from docs.command_tables import on_page_markdown
from pacbayes import certificate
from pacbayes.cli import app, bound_app

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "benchmarks" / "RESULTS.md"]
OF_TORCHRUN = {"--nnodes", "--node-rank", "--nproc-per-node", "--rdzv-endpoint"}
USAGE_ERROR = typer.BadParameter.__base__
"""click's, or that of the click that typer brings along."""

FENCE = re.compile(r"^(`{3,})[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def prose(text):
    return FENCE.sub("", text)


def inline(text):
    return INLINE.findall(prose(text))


def slug(heading):
    """The anchor that Python-Markdown gives a heading."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def anchors(text):
    return {slug(line.lstrip("#")) for line in prose(text).splitlines() if line.startswith("#")}


def dead_links(text, folder):
    for link in LINK.findall(INLINE.sub("", prose(text))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        if name and not (folder / name).is_file():
            yield link
            continue
        target = (folder / name).read_text(encoding="utf-8") if anchor and name else text
        if anchor and anchor not in anchors(target):
            yield link


@cache
def program(name):
    return typer.main.get_command(bound_app if name == "pacbayes-bound" else app)


def shown_commands(text):
    """Arguments of the commands in code blocks, which are whole, and in running text."""
    for _, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.strip().removeprefix("$ "), True
    for code in inline(text):
        yield code, False


def parsed(line, whole):
    """A command as the command line would parse it; None for other lines."""
    line = re.sub(r"^torchrun .*\$\((?:which|command -v) (pacbayes-bound)\)", r"\1", line)
    if not re.match(r"pacbayes(-bound)?( |$)", line) or "…" in line:
        return None
    name, *words = shlex.split(line, comments=True)
    command = program(name)
    if name == "pacbayes" and words and words[0] != "--version":
        verb, *words = words
        if verb.isupper():  # a placeholder
            return None
        assert verb in command.commands, line
        command = command.commands[verb]
    if whole:
        return command.make_context(name, words)
    return command.make_parser(typer.Context(command)).parse_args(args=words)


def options_of(command):
    for sub in getattr(command, "commands", {}).values():
        yield from options_of(sub)
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)


def unknown_options(text):
    known = {*options_of(program("pacbayes")), *OF_TORCHRUN, "--help"}
    for code in inline(text):
        if code.startswith("-"):
            yield from (o for o in re.findall(r"--[a-z][a-z-]*", code) if o not in known)


def unknown_names(text):
    found = inline(text) + re.findall(r"^::: (\S+)", text, re.MULTILINE)
    for name in dict.fromkeys(code.split("(")[0] for code in found):
        dotted = re.fullmatch(r"pacbayes(\.\w+)+", name) and not name.endswith(".json")
        if dotted and not exists(name):
            yield name


def exists(name):
    """Whether a dotted name is a module, or an attribute of one."""
    path = name.split(".")
    for length in range(len(path), 0, -1):
        module = ".".join(path[:length])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            continue
        for attribute in path[length:]:
            found = getattr(found, attribute, None)
        return found is not None
    return False


def missing_files(text):
    for code in inline(text):
        if re.fullmatch(r"(pacbayes|tests|benchmarks|docs|notebooks)/[\w./-]+", code):
            path = ROOT / code
            if not path.exists():
                yield code


@pytest.fixture(params=TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def page(request):
    return request.param


def test_links_lead_somewhere(page):
    assert not list(dead_links(page.read_text(encoding="utf-8"), page.parent))


def test_commands_have_the_options_that_are_shown(page):
    text = page.read_text(encoding="utf-8")
    for line, whole in shown_commands(text):
        parsed(line, whole)
    if page.name != "RESULTS.md":  # its scripts have options of their own
        assert not list(unknown_options(text))


def test_names_and_files_exist(page):
    text = page.read_text(encoding="utf-8")
    assert not list(unknown_names(text))
    assert not list(missing_files(text))


@pytest.mark.parametrize("path", [p for p in PAGES if ">>> " in p.read_text(encoding="utf-8")])
def test_examples_give_what_is_shown(path):
    failed, tried = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert tried
    assert not failed


def test_each_page_is_in_the_menu_once():
    def leaves(node):
        if isinstance(node, str):
            return [node]
        parts = node.values() if isinstance(node, dict) else node
        return [leaf for part in parts for leaf in leaves(part)]

    menu = leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(menu) == sorted(p.relative_to(ROOT / "docs").as_posix() for p in PAGES)


@pytest.mark.parametrize("package", ["bounds", "gaps"])
def test_reference_lists_all_public_names(package):
    """Where a function has the name of its module, the page lists members one by one."""
    text = (ROOT / "docs" / "reference" / f"{package}.md").read_text(encoding="utf-8")
    listed = re.findall(r"members: \[(.*)\]", text)
    names = [name for members in listed for name in members.split(", ")]
    assert sorted(names) == sorted(importlib.import_module(f"pacbayes.{package}").__all__)


def test_the_page_of_commands_has_each_option():
    text = on_page_markdown((ROOT / "docs" / "reference" / "commands.md").read_text("utf-8"))
    _, *sections = text.split("\n## pacbayes ")
    written = {section.split("\n")[0]: section for section in sections}
    commands = program("pacbayes").commands
    assert written.keys() == commands.keys()
    for name, command in commands.items():
        options = {option for option in options_of(command) if option.startswith("--")}
        rows = re.findall(r"^\| `(.*?)`", written[name], re.MULTILINE)
        assert {*re.findall(r"--[a-z-]+", " ".join(rows))} - {"--help"} == options


def test_every_field_of_a_certificate_is_explained():
    text = (ROOT / "docs" / "how-to" / "read-a-certificate.md").read_text(encoding="utf-8")
    explained = set(inline(text))
    for name, found in vars(certificate).items():
        if is_dataclass(found) and found.__module__ == certificate.__name__:
            for field in fields(found):
                assert field.name in explained, f"{name}.{field.name}"


# The checks find what they are there for


def test_broken_pages_are_found(tmp_path):
    (tmp_path / "a.md").write_text("# One thing\n")
    assert not list(dead_links("[x](a.md) [y](a.md#one-thing) `[z](b.md)`", tmp_path))
    assert list(dead_links("[x](b.md) [y](a.md#two) [z](#three)", tmp_path)) == [
        "b.md",
        "a.md#two",
        "#three",
    ]
    assert list(unknown_options("`--passes` and `--pases 3`")) == ["--pases"]
    assert list(unknown_names("`pacbayes.bounds.xi`, `pacbayes.bounds.xy`, `pacbayes.json`")) == [
        "pacbayes.bounds.xy"
    ]
    assert list(missing_files("`tests/nowhere.py`, `tests/conftest.py`")) == ["tests/nowhere.py"]


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("pacbayes-bound --chekpoint a --data b", False),
        ("pacbayes-bound --data b", True),
        ("pacbayes plan", True),
        ("torchrun --nproc-per-node 2 $(which pacbayes-bound) --dta b", False),
    ],
)
def test_broken_commands_are_found(line, whole):
    with pytest.raises(USAGE_ERROR):
        parsed(line, whole)


def test_an_unknown_verb_is_found():
    with pytest.raises(AssertionError):
        parsed("pacbayes pln RUNS", False)
