"""What the pages for users and administrators tell to type is there: verbs, options, values, settings, files.

A command is a line of an indented block, or of a fenced one that is called bash. Nothing of Slurm's is needed, so its own
options are not looked at.
"""

import json
import re
import shlex

import pytest

from programs import STASIS, STASISD, TOP, run
from test_install import installed

PAGES = {name: TOP / name for name in ("README.md", "docs/users.md", "docs/admins.md", "docs/security.md")}
FOLDERS = "docs|etc|scripts|packaging|tests|spank|common|capsule|criu|daemon|cli|cmake|\\.ci"
OURS = r"--(?:checkpoint-[a-z]+|requeue-on-ckpt|restore-failure)"
TOP_KEYS = re.compile(r"(store|defaults|partitions|cluster|key_file|local|local_limit):")


def blocks(text):
    """(language, lines) of every block of code; an indented one has the language 'indented'."""
    found, fence, before = [], None, ""
    for line in text.splitlines():
        opens = re.match(r" *```(\w*)$", line)
        if opens and fence is None:
            fence = (opens[1], [])
        elif opens:
            found.append(fence)
            fence = None
        elif fence is not None:
            fence[1].append(line.strip())
        elif re.match(r"    +[^ *-]", line):
            if not before.startswith("    "):
                found.append(("indented", []))
            found[-1][1].append(line.strip())
        before = line
    assert fence is None
    return found


def yaml_blocks(text):
    """Each with its indentation, which blocks() takes away."""
    fenced = [re.sub(r"(?m)^   ", "", block) if block.startswith("   ") else block for block in re.findall(r"(?s)```yaml\n(.*?)```", text)]
    indented = re.findall(r"(?m)(?:^    (?:store|defaults|partitions):.*\n(?:    .*\n)*)", text)
    return [block.rstrip(" ") for block in fenced] + [re.sub(r"(?m)^    ", "", block) for block in indented]


def commands(text):
    """The words of every command, `sudo` and variables in front taken away."""
    found = []
    for language, lines in blocks(text):
        if language not in ("indented", "bash") or TOP_KEYS.match(lines[0]):
            continue
        for line in lines:
            if line.startswith("#SBATCH"):
                found.append(["sbatch", *shlex.split(line, comments=False)[1:]])
                continue
            lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
            lexer.whitespace_split = True
            words = []
            for word in [*lexer, ";"]:
                if set(word) <= set(";&|"):
                    while words and (words[0] == "sudo" or re.match(r"\w+=", words[0])):
                        words.pop(0)
                    if words:
                        found.append(words)
                    words = []
                else:
                    words.append(word)
    return found


def said(text, program):
    """The words after `program`, in commands and in `code` within a sentence."""
    spans = [span.split() for span in re.findall(r"`([^`\n]+)`", re.sub(r"(?s)```.*?```", "", text))]
    return [words[1:] for words in commands(text) + spans if words and words[0].split("/")[-1] == program]


def help_of(program, *verb):
    done = run(program, *verb, "--help")
    # For a verb that there is not it is the help of all.
    assert done.returncode == 0 and " ".join([program.name, *verb]) in done.stdout, f"there is no {program.name} {' '.join(verb)}"
    return done.stdout


@pytest.fixture(params=PAGES)
def text(request):
    return PAGES[request.param].read_text()


def test_every_page_has_commands_that_are_found():
    assert [words[0] for words in commands(PAGES["README.md"].read_text())].count("sbatch") == 1
    for name in ("docs/users.md", "docs/admins.md"):
        assert len(commands(PAGES[name].read_text())) > 15
    assert {"checkpoint", "evacuate", "keygen", "prune"} <= {words[0] for words in said(PAGES["docs/admins.md"].read_text(), "stasis") if words}


def test_every_verb_and_option_of_ours_exists(text):
    for program in (STASIS, STASISD):
        for words in said(text, program.name):
            words = words[: words.index(">")] if ">" in words else [word for word in words if not word.startswith(">")]
            # Behind it are sbatch's.
            words = words[: words.index("--")] if "--" in words else words
            verb = [word for word in words[:1] if re.fullmatch(r"[a-z][a-z-]*", word)]
            known = set(re.findall(r"--[a-z-]+", help_of(program, *verb)))
            for word in words:
                option = re.match(r"\[?(--[a-z-]+)", word)
                assert option is None or option[1] in known, f"{program.name} {' '.join(words)}"


def test_every_option_of_sbatch_and_srun_is_one_that_the_plugin_registers(text):
    source = (TOP / "spank" / "options.cc").read_text()
    takes_value = {"--" + name: value != "nullptr" for name, value in re.findall(r'(?m)^ +\{"([a-z-]+)", (nullptr|"[^"]+"),', source)}
    assert len(takes_value) == 8
    assert set(re.findall(OURS, text)) <= set(takes_value)
    for words in commands(text):
        for word in words:
            option = re.match(OURS + r"(?![a-z-])", word)
            assert option is None or ("=" in word) == takes_value[option[0]], " ".join(words)


def test_every_page_for_users_tells_of_every_option():
    source = (TOP / "spank" / "options.cc").read_text()
    for name in re.findall(r'(?m)^ +\{"([a-z-]+)", (?:nullptr|"[^"]+"),', source):
        assert f"`--{name}" in PAGES["docs/users.md"].read_text()


def test_every_interval_is_one_that_is_allowed_by_default(tmp_path, text):
    config = tmp_path / "stasis.yaml"
    config.write_text("")
    values = re.findall(r"--checkpoint-every=([^\s`'\"]+)", text) + re.findall(r"SLURM_CHECKPOINT=([0-9][^\s`'\"]*)", text)
    for value in set(values) - {"TIME"}:
        done = run(STASIS, "--config", config, "judge", f"--every={value.rstrip('.,')}")
        assert (done.returncode, done.stdout) == (0, ""), value


def test_every_stasis_yaml_is_valid(tmp_path, text):
    config = tmp_path / "stasis.yaml"
    for example in yaml_blocks(text):
        config.write_text(example)
        done = run(STASISD, "--check-config", "--config", config)
        assert (done.returncode, done.stderr) == (0, ""), example


def test_examples_of_stasis_yaml_are_found():
    assert len(yaml_blocks(PAGES["README.md"].read_text())) == 1
    assert len(yaml_blocks(PAGES["docs/admins.md"].read_text())) == 2


def test_the_table_of_settings_is_that_of_the_shipped_file():
    # What is commented out there is "#key: value" without a blank; partitions are an example.
    shipped = (TOP / "etc" / "stasis.yaml").read_text().split("#partitions:")[0]
    settings = dict(re.findall(r"(?m)^ *#((?:[a-z]+_?)+): (\S+)$", shipped))
    shown = dict(re.findall(r"(?m)^\| `([a-z_]+)` \| (.+?) \| .*\|$", PAGES["docs/admins.md"].read_text()))
    assert shown.pop("cluster") == "the name Slurm has for it" and settings.pop("cluster") == '""'
    assert shown == {key: f"`{value}`" for key, value in settings.items()}


def test_every_file_of_this_tree_that_is_named_is_there(text):
    for path in re.findall(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./*-]*[\w*])", text):
        assert list(TOP.glob(path)), path


def test_every_link_leads_somewhere():
    for name, page in PAGES.items():
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{name}: {link}"


def test_the_table_of_what_works_is_that_of_the_workloads():
    rows = dict(re.findall(r"(?m)^\| (.+?) \| (.+) \|$", PAGES["docs/users.md"].read_text()))
    for script in (TOP / "tests" / "workloads").glob("*/job.sh"):
        said = dict(re.findall(r"(?m)^#WORKLOAD (\w+): (.*)$", script.read_text()))
        verdicts = ("no, refused", "to be refused; not tried") if "refused" in said else ("yes", "partly tried: ", "not tried yet")
        assert rows[said["what"]].startswith(verdicts), script


def test_every_program_that_is_named_by_its_place_is_installed(text):
    for path in re.findall(r"/(usr/(?:bin|sbin|libexec)/[\w./-]*\w)", text):
        if path not in ("usr/sbin/criu", "usr/bin/scontrol", "usr/bin"):
            assert path in installed(), path


def test_every_preset_exists(text):
    presets = {preset["name"] for preset in json.loads((TOP / "CMakePresets.json").read_text())["configurePresets"]}
    for words in commands(text):
        if words[0] == "cmake" and "--preset" in words:
            assert words[words.index("--preset") + 1] in presets
