"""A workload: a folder with job.sh, the batch script, and what it needs. Lines of job.sh tell the test about it:

    #WORKLOAD what: how the table in docs/users.md calls it
    #WORKLOAD variants: a b     run as each, named by $VARIANT in the job
    #WORKLOAD with: FOLDER/FILE another workload's file that it uses, too
    #WORKLOAD refused: WORDS    no checkpoint of it can be made, and these words are in the reason that its user is told
    #WORKLOAD signal: yes       it keeps its own state: its script starts again at each move
"""

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Workload:
    def __init__(self, folder, variant=None):
        self.folder = folder
        self.variant = variant
        self.name = folder.name + (f"-{variant}" if variant else "")
        said = dict(re.findall(r"(?m)^#WORKLOAD (\w+): (.*)$", (folder / "job.sh").read_text()))
        self.what = said.pop("what")
        self.variants = said.pop("variants", "").split()
        borrowed = said.pop("with", None)
        self.borrowed = [HERE / borrowed] if borrowed else []
        self.refused = said.pop("refused", None)
        self.by_signal = said.pop("signal", "no") == "yes"
        assert not said, f"{folder.name}/job.sh: unknown {list(said)}"


def workloads():
    found = []
    for script in sorted(HERE.glob("*/job.sh")):
        workload = Workload(script.parent)
        found += [Workload(script.parent, variant) for variant in workload.variants] or [workload]
    return found
