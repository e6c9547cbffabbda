"""SystemCall: commands, their placeholders, their output and how they fail."""

import logging
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from romancal_rs.stpipe import ParameterError, Step
from romancal_rs.stpipe.runlog import recording
from romancal_rs.stpipe.subproc import SystemCall, SystemCallError, shell_script

# What a careless replacement of text would split, expand or run.
NASTY_NAMES = [
    "two words.asdf",
    "it's.asdf",
    'a "quoted" name.asdf',
    "$NOT_SET `id` $(id).asdf",
    "a; touch injected; #.asdf",
    "'; touch injected; '.asdf",
    '"; touch injected; ".asdf',
    "*.asdf",
    "back\\slash.asdf",
    "line\nbreak.asdf",
    "-n",
    "ünïcode.asdf",
    "{0}.asdf",
]


def output_of(caplog, command, *args, **parameters):
    with caplog.at_level(logging.INFO, logger="stpipe"):
        SystemCall(command=command, **parameters).run(*args)
    messages = [record.getMessage() for record in caplog.records]
    return [m for m in messages if not m.startswith(("Step SystemCall", "Running ", "Done: "))]


@pytest.mark.parametrize("name", NASTY_NAMES)
@pytest.mark.parametrize(
    "placeholder",
    [
        "{0}",
        '"{0}"',
        "'{0}'",
        '"$(printf %s {0})"',
        '"$(printf %s "{0}")"',
        "\"$(printf %s '{0}')\"",
    ],
)
def test_a_value_is_one_word_whatever_it_holds(name, placeholder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("some.asdf").touch()
    SystemCall(command=f"printf '%s|' {placeholder} > out").run(name)
    assert Path("out").read_text() == f"{name}|"
    assert sorted(os.listdir()) == ["out", "some.asdf"]


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ('printf %s "pre-{0}-post"', "pre-a b-post"),
        ("printf %s 'it'\\''s {0}'", "it's a b"),
        ('printf %s --in={0} "<{0}>"', "--in=a b<a b>"),
        ("(printf %s {0}; printf %s '('; printf %s {0})", "a b(a b"),
        ("printf %s \\' {0}", "'a b"),
        ('x={{1..3}}; printf %s "$x" {0}', "{1..3}a b"),
        ("echo {0} | awk '{{print $2 \"{0}\"}}'", "ba b"),
        ("f() {{ printf %s {0}; }}; f other", "a b"),
    ],
)
def test_placeholders_in_the_quotes_of_a_command(command, printed):
    script = shell_script(command, 1)
    environment = {**os.environ, "ROMANCAL_RS_ARGUMENT_0": "a b"}
    done = subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip("\n") == printed


def test_several_values_paths_and_numbers(caplog):
    command = "echo {2} {0} {1} {10}"
    values = [1, Path("/some where"), 2.5, *"abcdefg", "last"]
    assert output_of(caplog, command, *values) == ["2.5 1 /some where last"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo {2}", "no {2}, there are 2 values"),
        ("awk '{print $1}' {0}", "{print $1} is not a placeholder"),
        ("echo {}", "{} is not a placeholder; placeholders are {0}, {1} and so on"),
        ("echo {0.meta}", "{0.meta} is not a placeholder"),
        ("echo {0:>5}", "{0:>5} is not a placeholder"),
        ("echo {0!r}", "{0!r} is not a placeholder"),
        ("echo {0", "write {{ and }} for braces"),
        ("echo }", "write {{ and }} for braces"),
    ],
)
def test_wrong_placeholders(command, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        SystemCall(command=command).run("a", "b")


def test_output_is_logged_line_by_line_in_the_run_s_own_log(caplog):
    command = "printf 'one\\ntwo\\n\\nfour'; printf 'bad\\r\\n\\377\\n' >&2"
    with recording() as lines:
        printed = output_of(caplog, command)
    assert [line for line in printed if line in ("one", "two", "", "four")] == [
        "one",
        "two",
        "",
        "four",
    ]
    assert [line for line in printed if line not in ("one", "two", "", "four")] == ["bad", "\ufffd"]
    assert {record.name for record in caplog.records} == {"stpipe.SystemCall"}
    assert sum(line.endswith("stpipe.SystemCall :: INFO :: two") for line in lines) == 1


def test_a_line_is_logged_when_it_is_printed(tmp_path):
    # The command goes on when the first line has come: were it kept back, it would give up.
    waits = f"n=0; while [ ! -e {tmp_path}/go ] && [ $n -lt 6000 ]; do sleep 0.01; n=$((n+1)); done"
    step = SystemCall(command=f"echo first; {waits}; ls {tmp_path}; echo second")
    messages = []
    handler = logging.Handler(logging.INFO)

    def emit(record):
        messages.append(record.getMessage())
        if messages[-1] == "first":
            (tmp_path / "go").touch()

    handler.emit = emit
    logger = logging.getLogger("stpipe")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        step.run()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert [line for line in messages if line in ("first", "go", "second")] == [
        *("first", "go", "second")
    ]


@pytest.mark.parametrize(
    ("parameters", "printed"),
    [
        ({"log_stdout": False}, ["bad"]),
        ({"log_stderr": False}, ["good"]),
        ({"log_stdout": False, "log_stderr": False}, []),
    ],
)
def test_output_that_is_not_logged(caplog, parameters, printed):
    assert output_of(caplog, "echo good; echo bad >&2", **parameters) == printed


def test_much_output_on_both_streams_does_not_block(caplog):
    command = "i=0; while [ $i -lt 3000 ]; do echo $i; echo $i >&2; i=$((i+1)); done"
    printed = output_of(caplog, command.replace("{", "{{").replace("}", "}}"))
    assert sorted(map(int, printed)) == sorted([*range(3000), *range(3000)])


def test_environment_variables(caplog):
    command = 'echo "$GREETING, $EMPTY."'
    env = ["GREETING=good = day", "EMPTY="]
    assert output_of(caplog, command, env=env) == ["good = day, ."]
    with pytest.raises(ParameterError, match="env: 'GREETING' is not of the form NAME=value"):
        SystemCall(command=command, env=["GREETING"]).run()


def test_a_status_other_than_0_is_an_error():
    with pytest.raises(SystemCallError, match=r"ended with status 4: worse\nworst") as caught:
        SystemCall(command="echo worse >&2; echo worst >&2; exit 4", log_stderr=False).run()
    assert isinstance(caught.value, OSError)


def test_a_status_other_than_0_may_be_no_error(caplog):
    SystemCall(command="exit 4", exitcode_as_exception=False).run()
    assert [record.getMessage() for record in caplog.records] == ["'exit 4' ended with status 4"]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_signal_is_named():
    with pytest.raises(SystemCallError, match=r"was ended by signal 15 \(Terminated\)"):
        SystemCall(command="kill -TERM $$").run()


def test_a_command_that_cannot_be_started(caplog):
    command = "echo {1}"
    with pytest.raises(SystemCallError, match=r"cannot start 'echo \{1\}': embedded null byte"):
        SystemCall(command=command).run("x", "a\0b")
    SystemCall(command=command, failure_as_exception=False).run("x", "a\0b")
    assert caplog.records[-1].getMessage().startswith("cannot start 'echo {1}'")


def test_a_command_does_not_wait_for_the_keyboard():
    SystemCall(command="cat").run()


def test_the_command_is_required():
    with pytest.raises(ParameterError, match="command"):
        SystemCall().run()


def test_ctrl_c_ends_the_command_and_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"

    def interrupt():
        while not pids.exists() or len(pids.read_text().split()) < 2:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    child = f"(sleep 600 & echo $! >> {pids}; wait) & sleep 600 & echo $! >> {pids}; wait"
    with pytest.raises(KeyboardInterrupt):
        SystemCall(command=child).run()
    thread.join()
    for pid in map(int, pids.read_text().split()):
        while is_alive(pid):  # they were told to end, and do so when they get to it
            time.sleep(0.001)


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not dead and only waiting to be noticed."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_model_s_file_goes_when_the_command_fails(tmp_path):
    class Model:
        meta = ()

        def save(self, path):
            Path(path).write_text("saved")

    command = f"cat {{0}} > {tmp_path}/copy; echo {{0}} > {tmp_path}/name; exit 1"
    with pytest.raises(SystemCallError):
        SystemCall(command=command).run(Model())
    assert (tmp_path / "copy").read_text() == "saved"
    assert not Path((tmp_path / "name").read_text().strip()).exists()


def test_it_is_a_step():
    assert issubclass(SystemCall, Step)
    assert SystemCall.parameters["log_stdout"].default is True
