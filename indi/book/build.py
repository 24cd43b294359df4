"""The book: executed notebooks, tables and figures of one profile put together with the prose.

The book is built in place. What is copied into it (book/notebooks, book/results) stays out of
git.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pandas as pd

from indi import paths
from indi.book import rerun
from indi.book import run as runner
from indi.errors import InDIError
from indi.files import replacing
from indi.records import provenance

if TYPE_CHECKING:
    from indi.claims import Entry

#: Folders of book/ that are made, not written.
GENERATED = ("_build", "notebooks", "results")

#: A cell that pages do not show, and that notebooks downloaded from them have below the title: how to get the package.
_GET = """\
# Downloaded from the book, this notebook needs the project, which holds the package `indi` and trained models.
# Put an archive of it, indi.zip or indi.tar.gz, beside this notebook; on Kaggle, add it as a data set.
# Where the package is installed already, this cell does nothing.
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

known = importlib.util.find_spec("indi")
if known is None or known.origin is None:  # without origin it is a folder of this name, beside the notebook
    places = [pathlib.Path.cwd(), pathlib.Path("/kaggle/input")]
    found = [path for place in places for path in place.glob("**/pyproject.toml") if (path.parent / "indi").is_dir()]
    archives = [path for place in places for path in place.glob("**/indi*") if path.suffix in (".zip", ".gz", ".tar")]
    if not (found or archives):
        raise SystemExit("no project here: upload its archive, indi.zip, beside this notebook, and run this cell again")
    target = pathlib.Path.cwd() / "indi-project"
    if not found:
        shutil.unpack_archive(archives[0], target)
    elif not found[0].is_relative_to(target):
        shutil.copytree(found[0].parent, target)
    project = next(target.glob("**/pyproject.toml")).parent
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-e", str(project)], check=True)
    sys.path.insert(0, str(project))
    os.chdir(project)
"""

#: Modules and folders that a notebook's content does not depend on.
_NOT_CONTENT = (
    *("__main__.py", "cli.py", "offline.py", "book", "models"),
    *("records/provenance.py", "training/bench.py", "training/campaign.py"),
)


def notebooks() -> list[Path]:
    """The chapters that are notebooks, in order."""
    return sorted((paths.root() / "notebooks").glob("*.ipynb"))


def sources() -> list[str]:
    """Every file of the book that is written by hand, relative to the project; none if no book."""
    folder = paths.root() / "book"
    written = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        path.relative_to(paths.root()).as_posix()
        for path in written
        if path.relative_to(folder).parts[0] not in GENERATED
    ]


def content_code() -> list[str]:
    """Every module that can change what a notebook shows, relative to the project where inside."""
    root = paths.root()
    modules = sorted(provenance.PACKAGE.rglob("*.py"))
    return [
        (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
        for path in modules
        if not any(path.is_relative_to(provenance.PACKAGE / name) for name in _NOT_CONTENT)
    ]


def status(profile: str) -> pd.DataFrame:
    """The last good run of every notebook under a profile, one row each.

    Returns:
        Columns notebook; profile; finished (UTC, to the second); time (wall time, in words); machine (processor
        or GPU, cores); python; torch; commit (first twelve digits, "+" where the code differed from it); state:
        "done"; "stale" where today's code or tables would give others; "failed" where a later run failed;
        "missing" where there was none.

    Raises:
        InDIError: no such profile, or a run record that cannot be read.
    """
    columns = ["notebook", "profile", "finished", "time", "machine", "python", "torch", "commit", "state"]
    return pd.DataFrame(
        [dict.fromkeys(columns, "") | _status(path.stem, profile) for path in notebooks()], columns=columns
    )


def _status(notebook: str, profile: str) -> dict[str, str]:
    failed = runner.executed_path(notebook, profile).with_suffix(".failed.ipynb").is_file()
    row = {"notebook": notebook, "profile": profile}
    run = runner.load_run(notebook, profile)
    if run is None:
        return {**row, "time": "", "state": "failed" if failed else "missing"}
    made = run.provenance
    machine, versions = made["machine"], made["versions"]
    return {
        **row,
        "finished": made["time"].replace("T", " ").replace("+00:00", " UTC"),
        "time": _duration(run.seconds),
        "machine": f"{machine['gpu'] or machine['cpu']}, {machine['cores']} cores",
        "python": versions["python"],
        "torch": versions["torch"],
        "commit": (made["commit"] or "")[:12] + ("+" if made["dirty"] else ""),
        "state": "failed" if failed else "stale" if _stale(run) else "done",
    }


def _stale(run: runner.Run) -> bool:
    """Whether the notebook's code, a table it read, or what a table of its own rests on has changed since."""
    from indi.records import results  # here, because it brings torch

    path = paths.root() / "notebooks" / f"{run.notebook}.ipynb"
    if run.provenance.get("notebook_hash") not in (None, provenance.notebook_hash(path)):
        return True
    if results.changed_tables(run.reads, run.profile, run.notebook):
        return True
    records = results.records(run.profile, run.notebook) or [run.provenance]
    return any(map(provenance.changes_since, records))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def assemble(profile: str) -> None:
    """Put what was executed under `profile` into the book, and take out what was there before.

    A notebook that was never executed becomes a page of its title and the command that runs it.
    Files that do not change are not written. The status table becomes
    book/results/tables/status.csv.

    Raises:
        InDIError: no such profile, or a run record that cannot be read.
    """
    # Here, because they bring torch, which the Snakefile's other uses of this module do not need.
    from indi import claims
    from indi.book import captions, challenge, summaries
    from indi.claims import report, robust
    from indi.figures import explorer, tables
    from indi.records import results as store

    rows = status(profile)
    entries = claims.judge(profile)
    book = paths.root() / "book"
    results = paths.results(profile)
    made = {
        source.stem: _page(source, executed, results / "figures", profile, entries)
        for source in notebooks()
        if (executed := runner.executed_path(source.stem, profile)).is_file()
    }
    if claims_page := made.get(report.NOTEBOOK):
        # once more, now that it is known where the evidence stands; no count of the ledger has our own claims
        cards = [*entries, *claims.judge(profile, robust.CLAIMS)]
        summaries.render(claims_page, report.NOTEBOOK, profile, cards, captions.places(made, profile))
    wanted: dict[Path, bytes] = {}
    for source in notebooks():
        page = made.get(source.stem) or _placeholder(source, profile)
        wanted[book / "notebooks" / source.name] = _bytes(page)
    for name, text in challenge.parts(profile, entries, [path.stem for path in notebooks()]).items():
        wanted[book / "results" / "report" / name] = text.encode()
    for path in sorted(paths.results("paper").glob("table[13].csv")):  # with words for headings
        wanted[book / "results" / "paper" / path.name] = (
            tables.paper_table(path.stem).to_csv(index=False).encode()
        )
    wanted[book / "results" / "front.md"] = summaries.front(profile, entries).encode()
    wanted[book / "results" / "verdicts.md"] = summaries.grid(profile, entries).encode()
    wanted[book / "results" / "summaries.md"] = summaries.overview(profile, entries).encode()
    for kind in ("tables", "figures"):
        for path in sorted((results / kind).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                copy = book / "results" / kind / path.relative_to(results / kind)
                packed = path.suffix == ".gz"
                wanted[copy.with_suffix("") if packed else copy] = store.content(path)
    wanted |= explorer.pages(wanted, profile)
    for source in notebooks():
        if source.stem in made:
            copy = book / "notebooks" / source.name
            wanted[copy] = _downloadable(wanted[copy])
    wanted[book / "results" / "tables" / "status.csv"] = rows.to_csv(index=False).encode()
    for path, content in wanted.items():
        if not (path.is_file() and path.read_bytes() == content):
            with replacing(path) as partial:
                partial.write_bytes(content)
    for folder in ("notebooks", "results"):
        for path in (book / folder).rglob("*"):
            if path.is_file() and path not in wanted:
                path.unlink()


def _page(
    source: Path, executed: Path, figures: Path, profile: str, entries: Sequence[Entry]
) -> nbformat.NotebookNode:
    """The executed notebook as a page: with captions, today's prose and verdicts, and what was found on top.

    The prose is taken from `source` where the code is still the one that was executed: it changes no
    number, so that a better sentence needs no new run.
    """
    from indi.book import captions, summaries

    page = nbformat.read(executed, as_version=4)
    ours = [cell for cell in page.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    written = nbformat.read(source, as_version=4).cells
    if [_code(cell) for cell in ours] == [_code(cell) for cell in written]:
        for cell, now in zip(ours, written, strict=True):
            if cell.cell_type == "markdown":
                cell.source = now.source
    elif title := re.match(r"# .+", written[0].source):  # a stale chapter is still named as everywhere
        page.cells[0].source = re.sub(r"\A# .+", lambda _: title[0], page.cells[0].source)
    _fold(page)
    for (
        cell
    ) in page.cells:  # warnings of packages, and a path that a last line returned, stay in the stored copy
        if cell.cell_type == "code":
            cell.outputs = [
                output
                for output in cell.outputs
                if output.get("name") != "stderr"
                and not "".join(output.get("data", {}).get("text/plain", "")).startswith("PosixPath(")
            ]
    summaries.render(page, source.stem, profile, entries)
    captions.put(page, source.stem, profile, figures)
    if short := summaries.in_short(source.stem, profile, entries):
        page.cells.insert(1, nbformat.v4.new_markdown_cell(short, id="in-short"))
    return page


def _fold(page: nbformat.NotebookNode) -> None:
    """Fold the code, in place, but for one cell: the parameters, with the values of the run."""
    given: dict[str, str] = {}
    for cell in page.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            given |= dict(re.findall(r"^(\w+) = (.*)$", cell.source, re.MULTILINE))
    page.cells = [cell for cell in page.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    for cell in page.cells:
        tags = cell.metadata.get("tags", [])
        if "parameters" in tags:
            cell.source = re.sub(
                r"^(\w+)( = )(.*?)(\s*#.*)?$",
                lambda line: f"{line[1]} = {given.get(line[1], line[3])}{line[4] or ''}",
                cell.source,
                flags=re.MULTILINE,
            )
        elif cell.cell_type == "code" and "hide-input" not in tags:
            cell.metadata["tags"] = [*tags, "hide-input"]


def _downloadable(content: bytes) -> bytes:
    """A page that brings its package where it is downloaded, by a cell below the title that the page leaves out."""
    page = nbformat.reads(content.decode(), as_version=4)
    page.cells.insert(1, nbformat.v4.new_code_cell(_GET, id="get-indi", metadata={"tags": ["remove-cell"]}))
    return _bytes(page)


def _bytes(page: nbformat.NotebookNode) -> bytes:
    return (nbformat.writes(page) + "\n").encode()


def _code(cell: nbformat.NotebookNode) -> str | None:
    return cell.source if cell.cell_type == "code" else None


def _placeholder(source: Path, profile: str) -> nbformat.NotebookNode:
    """A page in place of a notebook that was not run: its first cell's title, and what to do."""
    cells = nbformat.read(source, as_version=4).cells
    text = next((cell.source for cell in cells if cell.cell_type == "markdown"), "")
    # A label before the title stays, because other pages may refer to it.
    title = re.search(r"\A\s*((?:\([\w-]+\)=\s*\n)*\s*# .+)", text)
    heading = title.group(1) if title else f"# {source.stem}"
    note = (
        f"{heading}\n\n```{{note}}\nThis chapter was not run under the profile `{profile}`. "
        f"Run it with `indi run notebooks/{source.name} --profile {profile}`.\n```\n"
    )
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(note, id="not-run")])


def build(profile: str) -> Path:
    """Build what `assemble` put together; needs no network. The last good book stays until then.

    Every warning of the builder is an error: a missing figure, a dead cross reference.

    Returns:
        The first page, book/_build/html/index.html.

    Raises:
        InDIError: no such profile; the builder's warnings; or a page names a path of this machine.
    """
    folder = paths.root() / "book"
    # Snakemake's stamp: the book it stands for may be another profile's, and is about to go.
    (folder / "_build" / ".done").unlink(missing_ok=True)
    new = folder / "_build" / "new"
    html = _built(new, "html") / "html"
    _check_portable(html)
    final = folder / "_build" / "html"
    shutil.rmtree(final, ignore_errors=True)
    html.rename(final)
    shutil.rmtree(new, ignore_errors=True)
    return final / "index.html"


def single_page() -> Path:
    """The book that was put together last as one page, book/_build/single/..., for print.

    Raises:
        InDIError: the builder's warnings.
    """
    return _built(paths.root() / "book" / "_build" / "single", "singlehtml") / "singlehtml" / "index.html"


def _built(into: Path, builder: str) -> Path:
    """Run the builder; from nothing each time: Sphinx would not notice a changed table of contents or CSV."""
    folder = paths.root() / "book"
    shutil.rmtree(into, ignore_errors=True)
    program = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    options = ["-W", "-n", "--keep-going", "--quiet", "--builder", builder, "--path-output", str(into)]
    ran = subprocess.run(
        [sys.executable, "-c", program, "build", str(folder), *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    if ran.returncode or not (into / "_build" / builder / "index.html").is_file():
        said = provenance.portable(ran.stdout + ran.stderr)
        warned = [line for line in said.splitlines() if re.search("WARNING|ERROR", line)]
        raise InDIError("the book was not built:\n" + ("\n".join(warned) or said.strip()))
    return into / "_build"


def _check_portable(html: Path) -> None:
    """Refuse built pages that name a path of this machine."""
    suffixes = {".html", ".js", ".json", ".txt", ".csv", ".svg", ".ipynb", ".md", ".xml"}
    for path in sorted(html.rglob("*")):
        if path.suffix not in suffixes or not path.is_file():
            continue
        if found := provenance.local_paths_in(path.read_text(encoding="utf-8", errors="replace")):
            raise InDIError(
                f"{path.relative_to(html)} of the book names {', '.join(found)}: a published page "
                "must not tell where this machine keeps its files; change what the page prints."
            )


def summary(profile: str, started: float) -> str:
    """What `make reproduce`, which began `started` seconds after the epoch, says at its end: what ran, how long."""
    lines, ran, failed = [], 0, False
    kept = rerun.kept(profile)
    for path in notebooks():
        run = runner.load_run(path.stem, profile)
        row = _status(path.stem, profile)
        now = run is not None and datetime.fromisoformat(run.provenance["time"]).timestamp() >= int(started)
        ran += now
        failed |= row["state"] == "failed"
        unless = "kept as it is; RETRAIN=1 trains it" if path.stem in kept else ""
        lines.append(
            f"  {row['notebook']:<22}{row['state']:<9}{row['time']:>11}  {'ran now' if now else unless}"
        )
    seconds = datetime.now().timestamp() - started
    page = paths.root() / "book" / "_build" / "html" / "index.html"
    lines.insert(0, f"profile {profile}: {ran} of {len(lines)} notebooks ran now")
    lines.append(f"all together {_duration(seconds)}")
    if page.is_file():
        lines.append(f"book{', not built again because of the failure' if failed else ''}: {page}")
    return "\n".join(line.rstrip() for line in lines)
