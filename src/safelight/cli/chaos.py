"""`safelight chaos`: the promises under fire."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from safelight import config, logging
from safelight.cli.console import err, out, say_json, styled
from safelight.domain.errors import Invalid

if TYPE_CHECKING:
    from safelight.chaos.run import Report


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(rich_help_panel="Run")
    def chaos(
        seed: Annotated[
            int, typer.Option(help="Draws the faults; the same seed replays them.")
        ] = 1,
        minutes: Annotated[float, typer.Option(help="How long things go wrong.", min=0.1)] = 2.0,
        broken: Annotated[
            str,
            typer.Option(help="Run a build with a promise broken on purpose, which must be found."),
        ] = "-",
        trainings: Annotated[
            int | None, typer.Option(help="How many (default: 11 a minute).")
        ] = None,
        home: Annotated[Path | None, typer.Option(help="Keep its files and logs here.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    ) -> None:
        """Run everything on this machine, strike at it, and check what was promised.

        Real Postgres, broker, object store, emulator, workers, clock and API of its own, in a folder
        of its own: nothing of yours is touched. Processes are killed and stopped, links cut, messages
        lost, the provider misbehaves; then it is quiet, and each promise is checked against Postgres,
        the store and the provider's ledger. Exit 1 where a promise did not hold.
        """
        from safelight.chaos.broken import BUILDS
        from safelight.chaos.run import run
        from safelight.local.process import ended_by_signals

        if broken not in ("-", *BUILDS):
            raise Invalid(f"There is no broken build {broken!r}; there are {', '.join(BUILDS)}.")
        logging.setup("console", "WARNING")
        with ended_by_signals(with_starter=True):  # killed by a time limit it leaves nothing
            report = run(
                seed,
                minutes,
                config.given(),
                broken=broken,
                trainings=trainings,
                home=home,
                say=err.print,
            )
        if as_json:
            say_json(report.to_dict())
        else:
            _show(report)
        if not report.as_expected:
            raise typer.Exit(1)


def _show(report: Report) -> None:
    faults = Table(
        "fault",
        "times",
        "missed",
        "next turn",
        title=f"seed {report.seed}, {report.minutes:g} minutes",
    )
    for name, met in sorted(report.faults.items()):
        seconds = met["next_turn_seconds"]
        after = "-" if seconds is None else f"after {seconds:g} s"
        faults.add_row(name, str(met["struck"]), str(met["missed"]), after)
    for name, times in sorted(report.provider.items()):
        faults.add_row(f"provider: {name}", str(times), "", "")
    out.print(faults)
    out.print(
        "missed: there was nothing to strike. next turn: the longest, from a fault's end until any"
    )
    out.print("job's turn began or ended.")
    if report.retried:
        out.print(f"{report.retried} parked jobs were retried once the provider was itself again.")
    ended = ", ".join(f"{n} {state}" for state, n in sorted(report.ended.items()))
    out.print(
        f"{report.accepted} trainings accepted: {ended}. At rest after {report.quiet_seconds:.0f} s."
    )
    for refusal, times in Counter(report.refused).items():
        out.print(f"  refused: {times} x {refusal}")
    for reason, times in sorted(report.parked.items()):
        out.print(f"  parked: {times} x {reason}")
    promises = Table("", "promise", "looked at", "violations", "outcome")
    for v in report.verdicts:
        outcome = styled(("holds", "green") if v.holds else ("BROKEN", "red"))
        promises.add_row(v.name, v.promise, str(v.looked_at), str(len(v.violations)), outcome)
    out.print(promises)
    for v in report.verdicts:
        for line in v.violations[:5]:
            out.print(f"  {v.name}: {line}")
        for why, times in v.excused.items():
            out.print(f"  {v.name}: {times} let pass: {why}")
    if not report.most_succeeded:
        out.print(styled(("Less than half of what was accepted succeeded.", "red")))
    if report.broken != "-":
        found = "was found" if report.as_expected else "was NOT found"
        out.print(f"The broken build {report.broken!r} {found}.")
