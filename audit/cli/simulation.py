"""The commands that need no account: `demo` and `simulate`."""

import math
import os
import shlex
from functools import partial
from typing import Any

import click

from audit.cli import options, signals, views
from audit.cli.command import Command, MayBeEmpty, heading
from audit.cli.options import settings_of, verbosity_of
from audit.cli.results import exit_code, print_result
from audit.errors import UsageError
from audit.files import expand
from audit.review import check_extra
from audit.simulator import faults
from audit.simulator.limit import LimitKind
from audit.simulator.organization import Organization
from audit.storage.bucket import is_uri
from audit.text import printable


@click.command(cls=Command)
@heading("Output")
@click.option("--output", default="webex-audit-demo", show_default=True, metavar="DIR", help="Folder of the snapshots.")
@options.shared_option
@options.simulation_options
@heading("Faults and limits")
@click.option(
    "--faults",
    "fault_spec",
    cls=MayBeEmpty,
    default="all=0.002,quirks",
    show_default=True,
    help="What goes wrong, as in 'simulate'.",
)
@options.json_option
@options.logging_options
def demo(output: str, fault_spec: str, *, as_json: bool, **given: Any) -> int:
    """Audit simulated organizations, without an account.

    The demo shows the whole chain: crawl, check, compare, report.
    """
    from audit.cli.demo import demonstrate, review
    from audit.cli.progress import show_progress
    from audit.simulator import app as simulator

    own, customers = _organizations(given)
    settings = settings_of({**given, "config_file": os.devnull})
    verbosity = verbosity_of(given)
    if is_uri(output):
        raise UsageError(f"--output {output}: demo writes files for you to open: name a folder on this machine")
    simulation = simulator.Simulation(own, _faults(fault_spec, given["seed"]), customers=customers)
    check_extra()
    show = partial(show_progress, settings.log.format, verbosity)
    found = signals.run_until_signal(demonstrate(simulation, output, show, is_shared=settings.output.shared))
    code = max(exit_code(snapshot, allow_partial=False) for snapshot in found)
    audio, old, new = found
    report = expand(output) / f"{new.path.name}.html"
    place = shlex.quote(printable(output))
    hint = f"webex-audit diff previous latest --output {place}"
    reviewed = list(review(old, new, report, hint, is_shared=settings.output.shared))
    if as_json:
        print_result(views.as_json([views.describe(snapshot) for snapshot in found]))
    elif verbosity != "quiet":
        print_result("\n\n".join(map(views.render, found)))
        print_result("\n".join(["\nwhat changed between the last two:\n", *reviewed]))
        print_result("")
        for path, what in {
            report: "the report for reviewers",
            new.path / "push_to_talk_members.csv": "who may open a microphone in which room",
            new.path / "answer_settings.csv": "what answers ordinary calls by itself",
            new.path / "paging_group_members.csv": "who may open which loudspeakers",
            audio.path / "audio_options.csv": "how users join meetings, and whether by a sound PIN",
        }.items():
            print_result(f"open {shlex.quote(printable(str(path)))}: {what}")
        print_result(f'ask who may open what: webex-audit query latest "FROM open_rooms" --output {place}')
        print_result(f"check again with: webex-audit check --output {place}")
    return code


@click.command(cls=Command)
@heading("Server")
@click.option("--port", default=0, type=click.IntRange(0, 65_535), help="Port on 127.0.0.1. [default: any free port]")
@options.simulation_options
@heading("Faults and limits")
@click.option("--plain", is_flag=True, help="Send documented answers only: no odd members, no hostile names.")
@click.option(
    "--rate-limit",
    type=click.FloatRange(0, 1e6, min_open=True),
    metavar="N",
    help="Throttle beyond this many requests per second.",
)
@click.option(
    "--limit-kind",
    type=options.choice(LimitKind),
    default="bucket",
    show_default=True,
    help="Kind of --rate-limit: a bucket that refills steadily, or a count for each second.",
)
@click.option("--max-page", default=1000, show_default=True, type=click.IntRange(1), help="Most items on a page.")
@click.option(
    "--faults",
    "fault_spec",
    cls=MayBeEmpty,
    default="",
    metavar="SPEC",
    help="What goes wrong, such as all=0.1,quirks.",
)
@click.option("--list-faults", is_flag=True, help="Explain --faults and exit.")
@options.logging_options
def simulate(
    port: int,
    rate_limit: float | None,
    limit_kind: Any,
    max_page: int,
    fault_spec: str,
    *,
    plain: bool,
    list_faults: bool,
    **given: Any,
) -> int:
    """Serve simulated organizations on this machine until stopped.

    It prints what another shell needs, so that each command there asks the simulator.
    """
    import asyncio

    from audit.simulator import app as simulator

    if list_faults:
        print_result(faults.explain())
        return 0
    own, customers = _organizations(given, odd=not plain)
    settings_of({**given, "config_file": os.devnull})
    if rate_limit is not None and math.isnan(rate_limit):
        raise UsageError("--rate-limit nan: expected a number")
    simulation = simulator.Simulation(
        own,
        _faults(fault_spec, given["seed"]),
        rate_limit_per_s=rate_limit,
        limit_kind=limit_kind,
        max_page=max_page,
        customers=customers,
    )

    async def serve() -> None:
        async with simulator.serve(simulation, port=port) as base_url:
            given_out = {"WEBEX_ACCESS_TOKEN": simulator.ADMIN_TOKEN, "WEBEX_AUDIT_BASE_URL": base_url}
            exports = [f"export {name}={value}" for name, value in given_out.items()]
            print_result("\n".join([*exports, "webex-audit run"]))
            await asyncio.Event().wait()

    try:
        signals.serve_until_signal(serve())
    except OSError as error:
        raise UsageError(f"port {port} of 127.0.0.1 can't be served: {error.strerror}") from None
    return 0


def _organizations(given: dict[str, Any], *, odd: bool = True) -> tuple[Organization, tuple[Organization, ...]]:
    """The simulated organization of the token, and its customers."""
    workspaces, people, lines, customers = (
        given.pop(name) for name in ("workspaces", "people", "virtual_lines", "customers")
    )
    seed = given["seed"]
    others = (
        Organization(workspaces // 5, seed + each, odd, people // 5, lines // 5) for each in range(1, customers + 1)
    )
    return Organization(workspaces, seed, odd, people, lines), tuple(others)


def _faults(spec: str, seed: int) -> faults.Faults:
    try:
        return faults.parse(spec, seed)
    except ValueError as error:
        raise UsageError(f"--faults {spec}: {error}; 'webex-audit simulate --list-faults' explains them") from None
