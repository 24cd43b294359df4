"""To a machine without network and back: the project, its packages and images in parts of a size that travels.

    python indi/offline.py pack OUT --data bsds500 photos      # here: everything that the other machine needs
    python3 offline.py unpack . --to indi                       # there, in the folder of the parts
    python3 offline.py install indi                             # there: a virtual environment, from the parts alone
    python3 offline.py back indi OUT --profile gpu              # there: rows, figures, notebooks, trainings
    python3 offline.py unpack OUT --to PROJECT                  # here

It needs nothing but Python 3.11 or later, and a copy of itself travels beside the parts.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

MANIFEST = "parts.json"
"""Written last: where it is, all parts are. Names, sizes and SHA-256 of each."""

#: Of the Python that runs this.
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"

#: What wheels for Linux on x86-64 may be named after; glibc 2.34 and later runs them all.
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(34, 4, -1)),
    *(f"manylinux{year}_x86_64" for year in (2014, 2010, 1)),
)


class OfflineError(Exception):
    """What the user can act on, in one line."""


class _Parts:
    """A stream to write, cut into files of at most `size` bytes; `records` tells of them once it is closed."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self.records: list[dict[str, object]] = []
        self._begin()

    def _begin(self) -> None:
        self.path = self.folder / f"part-{len(self.records):04d}"
        self.file, self.digest, self.left = self.path.open("wb"), hashlib.sha256(), self.size

    def close(self) -> None:
        self.file.close()
        size, digest = self.size - self.left, self.digest.hexdigest()
        self.records.append({"name": self.path.name, "bytes": size, "sha256": digest})

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            if not self.left:
                self.close()
                self._begin()
            piece = rest[: self.left]
            self.file.write(piece)
            self.digest.update(piece)
            self.left -= len(piece)
            rest = rest[len(piece) :]
        return len(data)


class _Joined:
    """The stream that was cut, to read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = iter(paths)
        self.file: BinaryIO = io.BytesIO()

    def read(self, size: int) -> bytes:
        found = self.file.read(size)
        while len(found) < size and (path := next(self.paths, None)):
            self.close()
            self.file = path.open("rb")
            found += self.file.read(size - len(found))
        return found

    def close(self) -> None:
        self.file.close()


def write(contents: dict[str, Path], out: Path, part_size: int) -> list[Path]:
    """Put files under their names into an archive in parts; the parts that were in `out` go.

    Args:
        contents: name in the archive, with slashes -> file.
        out: folder, made where it is not there.
        part_size: bytes that a part has at most.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    for old in out.glob("part-*"):
        old.unlink()
    parts = _Parts(out, part_size)
    # not compressed: wheels, photographs and weights are
    # a stream of tarfile's wants `write` alone, and `read` to unpack it
    with closing(parts), tarfile.open(fileobj=parts, mode="w|") as archive:  # type: ignore[call-overload]
        for name, path in sorted(contents.items()):
            archive.add(path, name, recursive=False)
    shutil.copyfile(__file__, out / "offline.py")
    (out / MANIFEST).write_text(json.dumps(parts.records, indent=1) + "\n", encoding="utf-8")
    return [out / str(record["name"]) for record in parts.records]


def unpack(source: Path, target: Path) -> int:
    """Check the parts in `source` and write their files into `target`, over those of the same name.

    Returns:
        The number of files.

    Raises:
        OfflineError: a part is missing or damaged; nothing is written then.
    """
    try:
        records = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OfflineError(f"no {MANIFEST} in {source}: it lists the parts, and travels with them.") from None
    bad = [record["name"] for record in records if not _whole(source / record["name"], record["sha256"])]
    if bad:
        raise OfflineError(
            f"{len(bad)} of {len(records)} parts are missing or damaged: {', '.join(bad[:5])}: send them again."
        )
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    joined = _Joined(source / record["name"] for record in records)
    with (
        closing(joined),
        tarfile.open(fileobj=joined, mode="r|", bufsize=2**20) as archive,  # type: ignore[call-overload]
    ):
        for member in archive:
            archive.extract(member, target, filter="data")
            count += member.isfile()
    return count


def _whole(path: Path, digest: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


def tracked(root: Path) -> dict[str, Path]:
    """What git knows of the project, as it is now; the whole project without notes of git."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode:
        raise OfflineError(f"{root} is no git checkout: unpack the release there, or git init and add it.")
    names = [name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()]
    return {name: root / name for name in names}


def wheels(root: Path, folder: Path, python: str, extras: list[str], platforms: Iterable[str]) -> None:
    """Download the pinned packages as wheels into `folder`, with what builds the project itself.

    Args:
        root: the project.
        folder: wheels that are there already are kept.
        python: of the other machine, "3.12".
        extras: of pyproject.toml.
        platforms: that the other machine takes wheels of.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in extras:
        if extra not in project["project"]["optional-dependencies"]:
            raise OfflineError(
                f"no extra {extra!r}: {', '.join(project['project']['optional-dependencies'])}."
            )
        wanted += project["project"]["optional-dependencies"][extra]
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    options += [f"--platform={name}" for name in (*platforms, "any")]
    pip = [sys.executable, "-m", "pip", "download", "-q", "-d", str(folder), "--find-links", str(folder)]
    constraints = ["-c", str(root / "constraints.txt")]
    ran = subprocess.run([*pip, *constraints, *options, *wanted], check=False)
    if ran.returncode:
        raise OfflineError(
            "pip did not find a wheel for every package: see above. --wheels FOLDER takes those that you have."
        )


def pack(
    root: Path, out: Path, wheel_folder: Path, data: Path, sets: list[str], weights: Path | None, size: int
) -> list[Path]:
    """Project, wheels, image sets and weights of metrics into parts."""
    contents = {f"project/{name}": path for name, path in tracked(root).items()}
    contents |= {f"wheels/{path.name}": path for path in wheel_folder.glob("*.whl")}
    for name in sets:
        if not (data / name).is_dir():
            raise OfflineError(f"no image set {name} in {data}: indi data fetch {name}")
        contents |= _files(data / name, f"data/{name}")
    if weights is not None:
        contents |= _files(weights, "weights")
    return write(contents, out, size)


def _files(folder: Path, name: str) -> dict[str, Path]:
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()
    }


def install(target: Path) -> Path:
    """A virtual environment with the project, from the unpacked wheels alone; the program `indi` in it."""
    venv = target / ".venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    offline = ["--no-index", "--find-links", str(target / "wheels")]
    pip = [
        str(venv / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        *offline,
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHONPATH"))}
    clean["PIP_CONFIG_FILE"] = os.devnull
    constraints = ["-c", str(target / "project" / "constraints.txt")]
    # a new environment may bring a setuptools that is too old to build the project
    for what in (
        ["--upgrade", "setuptools"],
        ["--no-build-isolation", *constraints, "-e", str(target / "project")],
    ):
        if subprocess.run([*pip, *what], env=clean, check=False).returncode:
            raise OfflineError(
                f"pip could not install from {target / 'wheels'}: were they packed for Python {VERSION} on this "
                "platform?"
            )
    settings = {
        name: str((target / name.split("_")[1].lower()).resolve()) for name in ("INDI_DATA", "INDI_WEIGHTS")
    }
    (target / "env.sh").write_text(
        "".join(f"export {name}={value!r}\n" for name, value in settings.items())
        + f"export PATH={str((venv / 'bin').resolve())!r}:$PATH\n",
        encoding="utf-8",
    )
    return venv / "bin" / "indi"


def back(target: Path, out: Path, profile: str, size: int) -> list[Path]:
    """What was measured under `profile`, and the trainings, finished or not, into parts: rows, figures, notebooks."""
    project = target / "project"
    contents = _files(project / "results" / profile, f"results/{profile}") | _files(project / "runs", "runs")
    # what means something only while or where it is made: locks, stamps, partial files
    contents = {
        name: path
        for name, path in contents.items()
        if not path.name.startswith(".") and ".partial" not in path.name
    }
    if not contents:
        raise OfflineError(f"nothing was run under {profile} in {project}.")
    return write(contents, out, size)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    here = Path(__file__).resolve().parent.parent
    size = argparse.ArgumentParser(add_help=False)
    size.add_argument("--part-size", type=float, default=64, metavar="MB", help="of a part, at most (64)")

    packing = commands.add_parser("pack", parents=[size], help="all that a machine without network needs")
    packing.add_argument("out", type=Path)
    packing.add_argument("--data", nargs="*", default=[], metavar="SET", help="image sets to take along")
    packing.add_argument("--data-root", type=Path, default=os.environ.get("INDI_DATA"), help="INDI_DATA")
    packing.add_argument("--weights", type=Path, default=os.environ.get("INDI_WEIGHTS"), help="INDI_WEIGHTS")
    packing.add_argument("--python", default=VERSION, help="over there")
    packing.add_argument(
        "--platform", nargs="*", default=PLATFORMS, help="over there; default: Linux, x86-64"
    )
    packing.add_argument("--extras", nargs="*", default=[], help="of pyproject.toml, book for one")
    packing.add_argument("--wheels", type=Path, help="keep them here; what is there is not downloaded again")

    unpacking = commands.add_parser("unpack", help="check the parts and write their files")
    unpacking.add_argument("source", type=Path)
    unpacking.add_argument("--to", type=Path, required=True)

    installing = commands.add_parser("install", help="an environment from the unpacked wheels")
    installing.add_argument("target", type=Path)

    returning = commands.add_parser("back", parents=[size], help="what was measured and trained")
    returning.add_argument("target", type=Path)
    returning.add_argument("out", type=Path)
    returning.add_argument("--profile", default="gpu")

    given = parser.parse_args(arguments)
    try:
        if given.command == "pack":
            if given.data and given.data_root is None:
                raise OfflineError("where do the image sets lie? Set INDI_DATA, or --data-root.")
            folder = given.wheels or given.out / "wheels"
            wheels(here, folder, given.python, given.extras, given.platform)
            data = given.data_root or Path()
            _say(pack(here, given.out, folder, data, given.data, given.weights, _bytes(given)))
            if given.wheels is None:
                shutil.rmtree(folder)
        elif given.command == "unpack":
            print(f"{unpack(given.source, given.to)} files in {given.to}")
        elif given.command == "install":
            program = install(given.target)
            print(f"{program}; before you use it: . {given.target / 'env.sh'}")
        else:
            _say(back(given.target, given.out, given.profile, _bytes(given)))
    except OfflineError as error:
        sys.exit(f"offline: {error}")


def _bytes(given: argparse.Namespace) -> int:
    if given.part_size * 1e6 < 1:
        raise OfflineError(f"a part of {given.part_size:g} MB holds nothing.")
    return int(given.part_size * 1e6)


def _say(parts: list[Path]) -> None:
    total = sum(path.stat().st_size for path in parts)
    print(f"{len(parts)} parts, {total / 1e6:,.0f} MB, in {parts[0].parent}, with {MANIFEST} and offline.py")


if __name__ == "__main__":
    main()
