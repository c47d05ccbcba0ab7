"""Does what the schedule says, and undoes it."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis

from safelight import logging
from safelight.chaos.provider_faults import LIST_DELAY_SECONDS, LIST_DELAYED_SECONDS, PROVIDER
from safelight.chaos.schedule import QUEUES, Fault, Strike
from safelight.chaos.world import World
from safelight.db import invariants
from safelight.domain.errors import SafelightError

log = logging.get(__name__)

BUSY_SECONDS = 4.0
"""How long the nemesis waits for a worker to be at work before it strikes all the same."""

TRAP = "kill at point"
HALF_OPEN_SECONDS = 60.0
"""Within so long a link that has died without a word is noticed."""


@dataclass
class Met:
    """What became of one fault: how often it struck, how often it found nothing to strike, and when it
    ended each time (Unix seconds)."""

    struck: int = 0
    missed: int = 0
    ended: list[float] = field(default_factory=list)


class Nemesis:
    """Strikes at a world. `met` says what became of each fault, by its name."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._chance = random.Random(seed + 2)  # noqa: S311
        self._traps: list[Path] = []
        self._lists_lag_until = 0.0
        self.met: dict[str, Met] = {}
        self.deaf_until = 0.0
        """When the last half-open link must have been noticed by whoever waits at it (monotonic)."""

    def run(self, strikes: list[Strike]) -> None:
        """Each at its time; one that comes late comes at once."""
        started = time.monotonic()
        for strike in strikes:
            wait = started + strike.at - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self._lists()
            self.strike(strike.fault)

    def strike(self, fault: Fault) -> None:
        """One fault, from its beginning to its end."""
        log.info("chaos.strike", fault=fault.name, target=fault.target, seconds=fault.seconds)
        method = fault.name.lower().replace(" ", "_").replace("-", "_")
        do: Callable[[Fault], bool | None] = getattr(self, f"_{method}")
        try:
            done = do(fault)
        except (OSError, redis.RedisError, SafelightError, psutil.Error) as error:
            log.warning("chaos.missed", fault=fault.name, error=str(error))
            done = False
        met = self.met.setdefault(fault.name, Met())
        if done is False:
            met.missed += 1
        elif fault.name != TRAP:  # which strikes when someone comes there
            met.struck += 1
            met.ended.append(time.time())

    def quiet(self) -> None:
        """Undo whatever may still be in force."""
        for link in self._world.links.values():
            link.up()
        self._world.emulator(faults=[], list_delay_seconds=0)
        with contextlib.suppress(redis.RedisError, OSError):
            self._world.redis().config_set("maxmemory", 0)
        for trap in self._traps:
            self._sprung(trap)
        self._traps.clear()
        for folder in self._world.points.iterdir():
            for file in folder.iterdir():
                if file.name != "phantoms":
                    file.unlink(missing_ok=True)
        for name in (*QUEUES, "clock", "api"):
            self._world.signal(name, signal.SIGCONT)

    # Processes.

    def _busy(self, queue: str) -> None:
        """Wait a little for this worker to be at work: an idle one is easily killed."""
        deadline = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < deadline:
            pid = self._world.ours.pids.get(queue)
            if pid is None:
                return
            family = {pid, *(child.pid for child in psutil.Process(pid).children())}
            with self._world.cx.db.transaction() as tx:
                holders = invariants.at_work(tx, queue)
            if any(int(holder.rpartition(":")[2]) in family for holder in holders):
                return
            time.sleep(0.02)

    def _kill_worker(self, fault: Fault) -> bool:
        self._busy(fault.target)
        return self._world.signal(fault.target, signal.SIGKILL)

    def _kill_at_point(self, fault: Fault) -> None:
        queue, point = fault.target.split()
        trap = self._world.points / queue / point
        if trap in self._traps:
            self._sprung(trap)
            self._traps.remove(trap)
        trap.touch()
        self._traps.append(trap)

    def _sprung(self, trap: Path) -> None:
        """Whether someone came to the point: who does takes the file."""
        met = self.met.setdefault(TRAP, Met())
        if trap.exists():
            met.missed += 1
        else:
            met.struck += 1

    def _kill_pool_child(self, fault: Fault) -> bool:
        pid = self._world.ours.pids.get(fault.target)
        children = psutil.Process(pid).children() if pid else []
        if not children:
            return False
        self._chance.choice(children).kill()
        return True

    def _stop_past_lease(self, fault: Fault) -> bool:
        with self._world.another(fault.target):
            self._busy(fault.target)
            if not self._world.signal(fault.target, signal.SIGSTOP):
                return False
            time.sleep(fault.seconds)
            self._world.signal(fault.target, signal.SIGCONT)
            time.sleep(1.0)
        return True

    def _rolling_deploy(self, _fault: Fault) -> None:
        for queue in QUEUES:
            self._world.signal(queue, signal.SIGTERM, group=False)
            time.sleep(1.5)

    def _clock_killed(self, fault: Fault) -> bool:
        return self._world.signal(fault.target, signal.SIGKILL)

    def _clock_stopped(self, fault: Fault) -> bool:
        if not self._world.signal(fault.target, signal.SIGSTOP):
            return False
        time.sleep(fault.seconds)
        self._world.signal(fault.target, signal.SIGCONT)
        return True

    def _two_clocks(self, fault: Fault) -> None:
        with self._world.another("clock"):
            time.sleep(fault.seconds)

    def _api_killed(self, fault: Fault) -> bool:
        return self._world.signal(fault.target, signal.SIGKILL)

    # The broker.

    def _broker_flushed(self, _fault: Fault) -> None:
        self._world.redis().flushall()

    def _broker_restarted_empty(self, _fault: Fault) -> bool:
        self._world.redis().flushall()
        return self._world.signal_server("valkey", signal.SIGKILL)

    def _broker_full(self, fault: Fault) -> None:
        broker = self._world.redis()
        broker.config_set("maxmemory-policy", "noeviction")
        broker.config_set("maxmemory", 1)
        time.sleep(fault.seconds)
        broker.config_set("maxmemory", 0)

    def _messages_dropped(self, _fault: Fault) -> None:
        broker = self._world.redis()
        for queue in QUEUES:
            broker.delete(queue)

    def _messages_doubled(self, _fault: Fault) -> None:
        broker = self._world.redis()
        for queue in QUEUES:
            for message in broker.lrange(queue, 0, -1):
                for _ in range(5):
                    broker.lpush(queue, message)

    def _garbage_messages(self, _fault: Fault) -> None:
        broker = self._world.redis()
        hint = {
            "body": "W1siNyJdLCB7fSwge31d", "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": "", "id": "0", "argsrepr": "", "retries": 0},
            "properties": {"delivery_info": {"exchange": "", "routing_key": ""},
                           "body_encoding": "base64", "delivery_tag": "0"},
        }  # fmt: skip
        for queue in QUEUES:
            hint["headers"] |= {"task": queue}  # type: ignore[operator]
            hint["properties"]["delivery_info"]["routing_key"] = queue  # type: ignore[index]
            broker.lpush(queue, json.dumps(hint))  # a hint at a job that nobody knows
            hint["headers"] |= {"task": "no-such-task"}  # type: ignore[operator]
            broker.lpush(queue, json.dumps(hint))

    # The database.

    def _database_restarted(self, _fault: Fault) -> bool:
        return self._world.signal_server("postgres", signal.SIGINT)

    def _database_crashed(self, _fault: Fault) -> bool:
        return self._world.signal_server("postgres", signal.SIGQUIT)

    def _backends_terminated(self, _fault: Fault) -> None:
        with self._world.cx.db.transaction() as tx:
            invariants.terminate_backends(tx)

    # The links.

    def _link_down(self, fault: Fault) -> None:
        link = self._world.links[fault.target]
        link.down()
        time.sleep(fault.seconds)
        link.up()

    def _link_half_open(self, fault: Fault) -> None:
        self._world.links[fault.target].half_open()
        self.deaf_until = time.monotonic() + HALF_OPEN_SECONDS

    def _link_slow(self, fault: Fault) -> None:
        link = self._world.links[fault.target]
        link.slow()
        time.sleep(fault.seconds)
        link.up()

    def _link_reset(self, fault: Fault) -> None:
        self._world.links[fault.target].reset()

    def _answers_cut(self, fault: Fault) -> None:
        link = self._world.links[fault.target]
        link.cut()
        time.sleep(fault.seconds)
        link.up()

    # The provider.

    def _provider_faults(self, fault: Fault) -> None:
        self._world.emulator(
            faults=PROVIDER[fault.target],
            seed=self._seed + sum(met.struck for met in self.met.values()),
        )
        time.sleep(fault.seconds)
        self._world.emulator(faults=[])

    def _list_delayed(self, _fault: Fault) -> None:
        self._world.emulator(list_delay_seconds=LIST_DELAY_SECONDS)
        self._lists_lag_until = time.monotonic() + LIST_DELAYED_SECONDS

    def _lists(self) -> None:
        """Lists that have lagged for long enough catch up."""
        if 0 < self._lists_lag_until < time.monotonic():
            self._lists_lag_until = 0.0
            self._world.emulator(list_delay_seconds=0)
