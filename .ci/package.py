"""Builds sdist and wheel into dist/ and uses the wheel as one who has nothing else.

Checks sizes and contents, installs the wheel into an empty environment in a temporary folder, and
there, outside the checkout, certifies a shipped fine-tune, verifies the certificate, plans and
reports. Stops at the first thing that is wrong.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
SIZE_LIMIT = 8_000_000


def main():
    """Does all of it and prints a line for each thing found right."""
    with tempfile.TemporaryDirectory(prefix="pacbayes-package-") as temporary:
        folder = Path(temporary)
        sources = copy_sources(folder / "source")
        sdist, wheel = build(folder)
        check_contents(sources, sdist, wheel, rebuilt=build_wheel_alone(folder))
        environment = install(wheel, folder / "environment")
        before = files_with_times(environment)
        use(environment / "bin", folder / "elsewhere")
        require(files_with_times(environment) == before, "the environment was written to")
        print("the environment is as it was installed")


def require(condition, complaint):
    """Stops with the complaint unless the condition holds."""
    if not condition:
        sys.exit(f"make package: {complaint}")


def run(*command, cwd=ROOT):
    """What a command prints; if it fails, all is shown and that is the end."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    require(done.returncode == 0, f"{' '.join(done.args)}\n{done.stdout}{done.stderr}")
    return done.stdout


def copy_sources(place):
    """Copies the repository's files, so that nothing else can get into what is built."""
    names = tracked() or not_ignored()
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / name)
    return names


def tracked():
    """What git knows; nothing where there is no git, as in an unpacked sdist."""
    if shutil.which("git") is None:
        return set()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


def not_ignored():
    """All files that .gitignore does not name."""
    patterns = [".git", *(ROOT / ".gitignore").read_text().split()]
    files = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    made = {"PKG-INFO", "setup.cfg"}  # by whoever built the sdist
    return {path.as_posix() for path in files if not is_ignored(path, patterns)} - made


def is_ignored(path, patterns):
    """Whether one of the simple patterns of .gitignore is that of a folder above it, or its own."""
    return any(
        fnmatch(part, pattern.strip("/"))
        for pattern in patterns
        for part in (path.parts[:1] if pattern.startswith("/") else path.parts)
    )


def build(folder):
    """The sdist, and the wheel made from it, in dist/."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", ROOT / "dist", folder / "source")
    (sdist,), (wheel,) = (ROOT / "dist").glob("*.tar.gz"), (ROOT / "dist").glob("*.whl")
    for path in (sdist, wheel):
        size = path.stat().st_size
        require(size < SIZE_LIMIT, f"{path.name} has {size:,} bytes, {SIZE_LIMIT:,} is too many")
        print(f"dist/{path.name}: {size / 1e6:.2f} MB")
    return sdist, wheel


def build_wheel_alone(folder):
    """A wheel made from the sources without an sdist in between."""
    out = folder / "rebuilt"
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, folder / "source")
    return next(out.iterdir())


def check_contents(sources, sdist, wheel, *, rebuilt):
    """The sdist holds the repository, the wheel the package; both ways to a wheel agree."""
    with tarfile.open(sdist) as archive:
        packed = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    made = {name for name in packed if name.startswith("pacbayes.egg-info/")}
    difference = (packed - made) ^ (sources | {"PKG-INFO", "setup.cfg"})
    require(not difference, f"sdist and repository differ in {sorted(difference)}")
    contents = read_zip(wheel)
    package = {name for name in sources if name.startswith("pacbayes/")}
    information = {name for name in contents if ".dist-info/" in name}
    difference = (contents.keys() - information) ^ package
    require(not difference, f"wheel and package differ in {sorted(difference)}")
    require(any(name.endswith("/licenses/LICENSE") for name in information), "no licence in wheel")
    require(read_zip(rebuilt) == contents, "the wheel depends on whether an sdist came between")
    print(f"sdist: the {len(sources)} files of the repository")
    print(f"wheel: the {len(package)} files of the package; the same from the sources directly")


def read_zip(path):
    """Contents by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def install(wheel, environment):
    """A new environment with nothing but the wheel and what it requires."""
    venv.create(environment, symlinks=True, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, "--constraint", ROOT / "constraints.txt")
    run(python, "-m", "pip", "check")
    print("installed into an empty environment; requirements agree with each other")
    return environment


def files_with_times(folder):
    """All files below a folder with their times of change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def use(programs, place):
    """The commands of the README, in a folder that knows nothing of the checkout."""
    place.mkdir()
    sample = Path(run(programs / "python", "-m", "pacbayes.sample", cwd=place).strip())
    pacbayes, data = programs / "pacbayes", sample / "data" / "easy.held_out.jsonl"
    inputs = ["--checkpoint", sample / "adapters" / "easy", "--data", data]
    job = [*inputs, "--loss", "token", "--passes", 1, "--require-nonvacuous", "--out", "run"]
    printed = run(programs / "pacbayes-bound", *job, cwd=place)
    table = [line for line in printed.splitlines() if line.startswith(("stratum ", data.stem))]
    print("pacbayes-bound:", *table, sep="\n  ")
    prior = ["--prior", sample / "initial_adapter", "--draws", "run/draws"]
    found = run(pacbayes, "verify", "run/certificate.json", *inputs, *prior, cwd=place)
    print(f"pacbayes verify: {found.splitlines()[0]}")
    target = ["--target-weights", "easy=.2,medium=.3,hard=.5", "--budgets", "1000,4000"]
    run(pacbayes, "plan", sample / "pilots", *target, "--out", "plan", cwd=place)
    run(pacbayes, "report", "run", "plan", "--out", "report.html", cwd=place)
    print("pacbayes plan, report: written")


if __name__ == "__main__":
    main()
