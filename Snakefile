# Which notebook needs which. `make reproduce` calls this; by hand:
#   snakemake --cores all --config profile=laptop
#   snakemake --executor slurm --jobs 4 --config profile=gpu      (pip install -e ".[slurm]")
# Not Snakemake's `notebook:` directive: it does not pass papermill parameters.
import sys

from indi import paths
from indi.book import build as book
from indi.book import rerun as reuse
from indi.book import run as runner
from indi.errors import InDIError, unknown


workdir: str(paths.root())


# notebook -> notebooks whose trainings or tables it reads. A chapter takes part as soon as its file
# is in notebooks/: a new one needs a line here and nothing else.
TASKS = ["04_jpeg", "05_motion", "06_super_resolution", "07_defocus", "08_generation"]
ABLATIONS = ["10_time_distribution", "11_noise", "12_conditional_ddpm", "15_open_choices"]
EXACT = ["01_toy_example", "02_closed_forms", "03_network"]
NEEDS = {
    **{name: [] for name in EXACT + TASKS + ABLATIONS},
    "09_samplers": TASKS,
    "13_claims": [*EXACT, *TASKS, "09_samplers", *ABLATIONS],
    "14_beyond": [],
}
# These train nothing: one core each, side by side.
LIGHT = [*EXACT, "09_samplers", "13_claims"]

PROFILE = config.get("profile", "smoke")
if PROFILE not in runner.PROFILES:
    raise unknown("profile", PROFILE, runner.PROFILES)
NOTEBOOKS = sorted(path.stem for path in (paths.root() / "notebooks").glob("*.ipynb"))
if missing := [name for name in NOTEBOOKS if name not in NEEDS]:
    raise InDIError(f"give {', '.join(missing)} a line in NEEDS of the Snakefile.")

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
# For cluster executors; minutes and megabytes. Real trainings resume when their time is up.
RESOURCES = {
    "smoke": {"runtime": 30, "mem_mb": 8_000},
    "laptop": {"runtime": 240, "mem_mb": 16_000},
    "gpu": {"runtime": 240, "mem_mb": 64_000, "gpu": 1},
    "paper": {"runtime": 1440, "mem_mb": 128_000, "gpu": 8},
}[PROFILE]


def needed(wildcards):
    return [DONE.format(name=name) for name in NEEDS[wildcards.name] if name in RUN]


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
        name="|".join(set(NEEDS) - set(LIGHT)),
    threads: TRAINING_THREADS
    resources:
        **RESOURCES,
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
