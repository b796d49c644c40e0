"""A signal ends a command in order, whatever it is doing."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

PROGRAM = """
import asyncio, signal, sys, time
import click
from audit.cli.console import set_up_logging
from audit.cli.process import execute
from audit.cli.signals import run_until_signal, serve_until_signal

@click.group()
def cli(): pass

@cli.command()
def wait():
    print("ready", flush=True)
    for _ in range(300):  # a signal that comes just before a sleep is handled after it
        time.sleep(0.1)

@cli.command()
def crawl():
    run_until_signal(serve())

@cli.command()
def simulate():
    serve_until_signal(serve())

async def serve():
    print("ready", flush=True)
    await asyncio.sleep(30)

@cli.command()
def resist():
    run_until_signal(stubborn())

async def stubborn():
    print("ready", flush=True)
    while True:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError as error:
            print(error, flush=True)

@cli.command()
def commit():
    run_until_signal(committed(), lambda: True)
    print("committed", flush=True)

async def committed():
    print("ready", flush=True)
    await asyncio.sleep(1)

@cli.command()
def summarize():
    run_until_signal(asyncio.sleep(0), lambda: True)
    print("ready", flush=True)
    time.sleep(1)
    print("committed", flush=True)

if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    del sys.argv[1]
set_up_logging("text", "normal")
sys.exit(execute(cli, None))
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command, and returns when it is at work."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], **pipes)
        started.append(running)
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        return running

    yield start
    for each in started:
        each.kill()
        each.communicate()


@pytest.mark.usefixtures("obeys_hangup")
@pytest.mark.parametrize(
    ("number", "title"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")]
)
@pytest.mark.parametrize("command", ["wait", "crawl"])
def test_a_signal_ends_a_command_with_exit_5_and_its_name(
    command: str, number: signal.Signals, title: str, start: Start
) -> None:
    running = start(command)
    running.send_signal(number)
    _, err = running.communicate(timeout=20)
    assert (running.returncode, err.strip()) == (5, f"webex-audit: error: stopped ({title})")


def test_a_signal_is_the_proper_end_of_a_server(start: Start) -> None:
    running = start("simulate")
    running.send_signal(signal.SIGTERM)
    assert running.communicate(timeout=20) == ("", "")
    assert running.returncode == 0


def test_a_second_signal_stops_at_once(start: Start) -> None:
    running = start("resist")
    running.send_signal(signal.SIGINT)
    assert running.stdout is not None
    assert running.stdout.readline() == "Ctrl-C\n"
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=20)
    assert (running.returncode, "stopped at once by SIGTERM" in err) == (5, True)


@pytest.mark.parametrize("command", ["commit", "summarize"])
def test_a_signal_after_the_commit_changes_nothing(command: str, start: Start) -> None:
    running = start(command)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=20)
    assert (running.returncode, out) == (0, "committed\n")
    assert "SIGTERM came too late: the snapshot is committed" in err


@pytest.mark.parametrize("command", ["wait", "crawl"])
def test_a_command_under_nohup_survives_the_end_of_its_terminal(command: str, start: Start) -> None:
    running = start("nohup", command)
    running.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.5)
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 5
