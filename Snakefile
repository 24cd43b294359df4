# Which notebook needs which. `make reproduce` calls this; by hand:
#   snakemake --cores all --config profile=laptop
#   snakemake --profile profiles/slurm --config profile=gpu      (pip install -e ".[slurm]")
# Not Snakemake's `notebook:` directive: it does not pass papermill parameters.
import sys
from pathlib import Path

from indi import paths, profiles
from indi.book import build as book
from indi.book import rerun
from indi.book import run as runner
from indi.errors import InDIError
from indi.profiles import CHAPTERS, LIGHT, TASKS


workdir: str(paths.root())


# A chapter takes part as soon as its file is in notebooks/ and its line in CHAPTERS.
PROFILE = config.get("profile", "smoke")
JOB = profiles.get(PROFILE).job  # for cluster executors; real trainings resume when their time is up
NOTEBOOKS = sorted(path.stem for path in (paths.root() / "notebooks").glob("*.ipynb"))
if missing := [name for name in NOTEBOOKS if name not in CHAPTERS]:
    raise InDIError(f"give {', '.join(missing)} a line in CHAPTERS of indi/profiles.py.")

# What would train for hours stays as published, and nothing waits for it (RETRAIN=1 trains it).
KEPT = rerun.kept(PROFILE)
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

# Trainings of the five tasks as jobs of their own, each with as many processes as it has devices: notebooks
# then find them done. So in profiles that ask for GPUs, and anywhere with --config devices=2. Else notebooks
# train by themselves.
DEVICES = int(config.get("devices", JOB.get("gpu", 0)))
TRAINING = {task.chapter: name for name, task in TASKS.items() if DEVICES}
TRAINED = f"results/{PROFILE}/trainings/.{{task}}.done"
for stamp in (paths.results(PROFILE) / "trainings").glob(".*.done"):  # its last line is the run's folder
    *_, folder = stamp.read_text(encoding="utf-8").splitlines() or [""]
    if not Path(folder, "done.json").is_file():  # deleted by hand: train again
        stamp.unlink()
# A notebook evaluates on one GPU, whatever a training has.
NOTEBOOK_JOB = {**JOB, "gpu": 1} if "gpu" in JOB else JOB

# A cluster is given --jobs, which Snakemake calls nodes; there a job asks for this many cores.
CORES = 8 if workflow.nodes else workflow.cores
# The small networks of smoke gain little from a second core (1.4 times, alone), and two notebooks at
# once gain all of it. One thread there also means the same numbers whatever the number of cores.
TRAINING_THREADS = {"smoke": 1, "laptop": max(1, CORES // 2)}.get(PROFILE, CORES)


def needed(wildcards):
    trained = [TRAINED.format(task=TRAINING[wildcards.name])] if wildcards.name in TRAINING else []
    return [DONE.format(name=name) for name in CHAPTERS[wildcards.name] if name in RUN] + trained


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


# What stops in time (a limit, a preemption, a node that dies) is not done: a retry goes on from its last state.
rule train:
    input:
        code=book.content_code(),
    output:
        TRAINED,
    wildcard_constraints:
        task="|".join(TASKS),
    params:
        # before Slurm's limit, which leaves half a minute; on one machine there is none
        limit=lambda wildcards, resources: f"{max(1, resources.runtime - 5)}m",
        threads=TRAINING_THREADS,
    threads: TRAINING_THREADS * (1 if "gpu" in JOB else max(1, DEVICES))  # beside a GPU: cores for each
    resources:
        **JOB,
    shell:
        # of each process; Snakemake has set both to those of the job
        "export OMP_NUM_THREADS={params.threads} MKL_NUM_THREADS={params.threads};"
        " {PYTHON:q} -m indi train {wildcards.task} --profile {PROFILE} --devices {DEVICES}"
        " ${{SLURM_JOB_ID:+--stop-after {params.limit}}} | tee {output:q}"


rule evaluate:
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
        **NOTEBOOK_JOB,
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
