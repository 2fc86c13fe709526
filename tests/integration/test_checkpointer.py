"""checkpointer, as a script calls it: it says how the job stands, and never stops it.

In a protected job there is a file that no other job sees; here a mount namespace shows one.
"""

import shlex

import pytest

from programs import TOP, run

CHECKPOINTER = TOP / "etc" / "checkpointer"
PATH = {"PATH": "/usr/bin:/bin"}
JOB = PATH | {"SLURM_JOB_ID": "812"}


@pytest.mark.parametrize(
    "environment, says",
    [
        (PATH, "this is no Slurm job"),
        (PATH | {"SLURM_CHECKPOINT": "45"}, "this is no Slurm job"),
        (JOB, "export SLURM_CHECKPOINT=0-0:45"),
        (JOB | {"SLURM_CHECKPOINT": "off"}, "SLURM_CHECKPOINT is off"),
        (JOB | {"SLURM_CHECKPOINT": "45"}, "submit with sbatch --checkpoint-every=0-0:45"),
        (JOB | {"SLURM_CHECKPOINT": "$(touch here) * -n"}, "submit with sbatch --checkpoint-every=0-0:45"),
    ],
)
def test_an_unprotected_job_is_told_what_to_do_and_goes_on(tmp_path, environment, says):
    done = run(CHECKPOINTER, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert says in done.stderr and done.stderr.startswith("stasis: ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_protected_job_is_told_so(root):
    inside = f"mount -t tmpfs none /run && mkdir -p /run/stasis/self && : >/run/stasis/self/anchor && exec {shlex.quote(str(CHECKPOINTER))}"
    done = run("unshare", "--mount", "sh", "-c", inside, env=JOB | {"SLURM_CHECKPOINT": "45"})
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no mount namespaces here")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "stasis: job 812 is protected: after a requeue it goes on from its last checkpoint\n"


def test_words_and_a_closed_output_do_not_stop_a_script():
    done = run("sh", "-ec", f"{shlex.quote(str(CHECKPOINTER))} --any thing >&- 2>&-; echo on", env=JOB)
    assert (done.returncode, done.stdout) == (0, "on\n")
