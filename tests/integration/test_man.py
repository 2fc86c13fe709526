"""Man pages and completions: they tell of everything there is, and nothing else."""

import re
import shutil

import pytest

from programs import STASIS, STASISD, TOP, run

PAGES = sorted((TOP / "docs" / "man").iterdir())
COMPLETIONS = [TOP / "etc" / "completion" / name for name in ("stasis.bash", "_stasis")]


def verbs():
    text = run(STASIS, "--help").stdout
    return re.findall(r"(?m)^  ([a-z][a-z-]+) ", text[text.index("Subcommands:") :])


def options(program, *verb):
    # Of a line only what it is about: a verb's help may name the options of other programs.
    return set(re.findall(r"(?m)^  (?:-h,)?(--[a-z][a-z-]*)", run(program, *verb, "--help").stdout))


def page(name):
    """Its text as people read it, without troff's words."""
    text = (TOP / "docs" / "man" / name).read_text()
    return re.sub(r" +", " ", re.sub(r"\\f[A-Z]|\"", "", re.sub(r"(?m)^\.(?:BR|BI|RB|IR|RI|B|I) ", "", text))).replace("\\-", "-")


def test_there_are_verbs_and_pages():
    assert {"list", "checkpoint", "doctor", "keygen"} <= set(verbs())
    assert [path.name for path in PAGES] == ["checkpointer.1", "spank_stasis.8", "stasis.1", "stasis.yaml.5", "stasisd.8"]


def test_every_verb_and_option_is_in_the_man_page():
    text = page("stasis.1")
    for verb in verbs():
        assert re.search(rf"(?m)^{verb}\b", text), verb
        for option in options(STASIS, verb):
            assert option in text, f"{verb} {option}"
    assert options(STASIS) <= set(re.findall(r"--[a-z-]+", text))
    assert options(STASISD) <= set(re.findall(r"--[a-z-]+", page("stasisd.8")))


def test_no_man_page_tells_of_an_option_that_is_not_there():
    known = options(STASIS).union(*(options(STASIS, verb) for verb in verbs()))
    assert set(re.findall(r"--[a-z][a-z-]*", page("stasis.1"))) - known <= {"--checkpoint-from", "--time"}, "but sbatch's"
    assert set(re.findall(r"--[a-z][a-z-]*", page("stasisd.8"))) - options(STASISD) <= {"--grep"}


def test_every_key_of_the_configuration_is_in_its_man_page():
    keys = set(re.findall(r'\{"([a-z_]+)", ', (TOP / "common" / "config.cc").read_text()))
    text = page("stasis.yaml.5")
    assert len(keys) > 20 and [key for key in keys if not re.search(rf"(?<![\w-]){key}(?![\w-])", text)] == []
    shipped = (TOP / "etc" / "stasis.yaml").read_text().split("#partitions:")[0]
    for key, value in re.findall(r"(?m)^ *#((?:[a-z]+_?)+): (\S+)$", shipped):
        assert key == "cluster" or re.search(rf"{key} \({re.escape(value)}\)", text), f"{key} ({value})"


def test_every_option_of_the_plugin_is_in_its_man_page():
    names = re.findall(r'(?m)^ +\{"([a-z-]+)", (?:nullptr|"[^"]+"),', (TOP / "spank" / "options.cc").read_text())
    assert len(names) == 8 and [name for name in names if f"--{name}" not in page("spank_stasis.8")] == []


def test_the_version_is_the_projects():
    version = re.search(r"^project\(stasis VERSION (\S+)", (TOP / "CMakeLists.txt").read_text(), re.M)[1]
    for path in PAGES:
        assert f'"Stasis {version}"' in path.read_text(), path.name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_troff_has_nothing_to_object_to(path):
    if shutil.which("groff") is None:
        pytest.skip("there is no groff")
    done = run("groff", "-man", "-ww", "-Tutf8", "-rLL=100n", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") > 30


@pytest.mark.parametrize("path", COMPLETIONS, ids=lambda path: path.name)
def test_every_verb_and_option_can_be_completed(path):
    text = path.read_text()
    for verb in verbs():
        assert re.search(rf"(?<![\w-]){verb}(?![\w-])", text), verb
    known = options(STASIS).union(*(options(STASIS, verb) for verb in verbs()))
    offered = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--me", "--noheader", "--format"}
    assert offered == known


def complete(*words):
    """What bash offers for the last of the words."""
    script = (
        f"source {COMPLETIONS[0]}\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _stasis; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return run("bash", "--norc", "-c", script, "bash", "stasis", *words, env={"PATH": "/usr/bin:/bin"}).stdout.split()


def test_bash_completes_verbs_and_their_options():
    assert set(verbs()) <= set(complete(""))
    assert complete("do") == ["doctor"]
    assert complete("list", "--j") == ["--json"]
    assert complete("--config", "/etc/x", "evac") == ["evacuate"]
    for verb in verbs():
        assert set(complete(verb, "--")) == options(STASIS, verb), verb
