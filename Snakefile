# Which notebook needs which. `make reproduce` calls this; by hand:
#   snakemake --cores all --config profile=laptop
#   snakemake --executor slurm --jobs 4 --config profile=gpu      (pip install -e ".[slurm]")
# Not Snakemake's `notebook:` directive: it does not pass papermill parameters.
import sys

from indi import paths, profiles
from indi.book import build as book
from indi.book import rerun as reuse
from indi.book import run as runner
from indi.errors import InDIError
from indi.profiles import CHAPTERS, LIGHT


workdir: str(paths.root())


# A chapter takes part as soon as its file is in notebooks/ and its line in CHAPTERS.
PROFILE = config.get("profile", "smoke")
JOB = profiles.get(PROFILE).job  # for cluster executors; real trainings resume when their time is up
NOTEBOOKS = sorted(path.stem for path in (paths.root() / "notebooks").glob("*.ipynb"))
if missing := [name for name in NOTEBOOKS if name not in CHAPTERS]:
    raise InDIError(f"give {', '.join(missing)} a line in CHAPTERS of indi/profiles.py.")

# What would train for hours stays as published, and nothing waits for it (RETRAIN=1 trains it).
KEPT = reuse.kept(PROFILE)
# What `indi reproduce --anyway` leaves out, because its images are not here.
SKIPPED = str(config.get("skip", "")).split("+")
RUN = [name for name in NOTEBOOKS if name not in KEPT and name not in SKIPPED]

# Outputs are stamps, which say "the last run succeeded". Were the executed notebook an output,
# Snakemake would delete the last good one before the job starts. Its `update()` flag would put it
# back after a failure, but as a new file, so that the next run reads "nothing to be done".
DONE = f"results/{PROFILE}/notebooks/.{{name}}.done"
BOOK_DONE = "book/_build/.done"
for stamp, made in [
    *((runner.stamp_path(name, PROFILE), runner.executed_path(name, PROFILE)) for name in NOTEBOOKS),
    (paths.root() / BOOK_DONE, paths.root() / "book/_build/html/index.html"),
]:
    if not made.is_file():  # deleted by hand: make it again
        stamp.unlink(missing_ok=True)

PAGES = book.sources()
PYTHON = sys.executable

# A cluster is given --jobs, which Snakemake calls nodes; there a job asks for this many cores.
CORES = 8 if workflow.nodes else workflow.cores
# The small networks of smoke gain little from a second core (1.4 times, alone), and two notebooks at
# once gain all of it. One thread there also means the same numbers whatever the number of cores.
TRAINING_THREADS = {"smoke": 1, "laptop": max(1, CORES // 2)}.get(PROFILE, CORES)


def needed(wildcards):
    return [DONE.format(name=name) for name in CHAPTERS[wildcards.name] if name in RUN]


# The notebooks as well as the book: with the book alone, a notebook that failed under a book that
# stands would not run again.
rule all:
    input:
        expand(DONE, name=RUN),
        BOOK_DONE if PAGES else [],


rule light:
    input:
        notebook="notebooks/{name}.ipynb",
        code=book.content_code(),
        needs=needed,
    output:
        DONE,
    wildcard_constraints:
        name="|".join(LIGHT),
    threads: 1
    resources:
        runtime=30,
        mem_mb=4_000,
    shell:
        "{PYTHON:q} -m indi run {input.notebook:q} --profile {PROFILE}"


rule train:
    input:
        notebook="notebooks/{name}.ipynb",
        code=book.content_code(),
        needs=needed,
    output:
        DONE,
    wildcard_constraints:
        name="|".join(set(CHAPTERS) - set(LIGHT)),
    threads: TRAINING_THREADS
    resources:
        **JOB,
    shell:
        "{PYTHON:q} -m indi run {input.notebook:q} --profile {PROFILE}"


localrules:
    html,


rule html:
    input:
        expand(DONE, name=RUN),
        PAGES,
    output:
        touch(BOOK_DONE),
    params:
        profile=PROFILE,
    shell:
        "{PYTHON:q} -m indi book --profile {PROFILE}"
