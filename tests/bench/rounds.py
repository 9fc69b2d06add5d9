"""Doing one workload with all peers, interleaved."""

from collections.abc import Callable, Sequence

from tests.bench.bench import Bench
from tests.bench.figures import SECONDS, Result, Sample
from tests.bench.mounts import CannotError
from tests.bench.other_workloads import (
    ForwardStream,
    RandomReads,
    Restore,
    Scale,
    StartUp,
)
from tests.bench.peers import BindMount, Passthrough, Peer, RevcryptInPython
from tests.bench.workloads import (
    LongNames,
    NothingChanged,
    Pull,
    Readers,
    Small,
    Stream,
    WalkEncrypted,
    WalkPlain,
    Workload,
)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Stream(),
        Readers(),
        WalkPlain(),
        WalkEncrypted(),
        Small(),
        Pull(),
        NothingChanged(),
        LongNames(),
        RandomReads(),
        ForwardStream(),
        Restore(),
        Scale(),
        StartUp(),
    )
}


def run(
    workload: Workload, bench: Bench, peers: Sequence[Peer], *, rounds: int
) -> Result:
    """Measure *workload*; who fails is left out from there on, with the reason."""
    bench.say(f"{workload.name}:")
    able, missing = _participants(workload, bench, peers)
    samples: dict[str, list[Sample]] = {peer.name: [] for peer in able}

    def attempt(peer: Peer, action: Callable[[Bench, Peer], Sample | None]) -> None:
        if peer.name in missing:
            return
        try:
            sample = action(bench, peer)
        except CannotError as error:
            missing[peer.name] = str(error)
            del samples[peer.name]
            bench.say(f"  {peer.name} is left out: {error}")
        else:
            if sample is not None:
                samples[peer.name].append(sample)
                bench.say(f"  {peer.name}: {sample[SECONDS]:.3f} s")

    for peer in able:
        attempt(peer, workload.prepare)
    for number in range(1, rounds + 1):
        bench.say(f" round {number} of {rounds}")
        for peer in able:
            attempt(peer, workload.measure)

    summary, (amount, unit) = workload.summary(bench.trees), workload.amount(bench.trees)
    return Result(workload.name, summary, amount, unit, samples, missing)


def _participants(
    workload: Workload, bench: Bench, peers: Sequence[Peer]
) -> tuple[list[Peer], dict[str, str]]:
    """Return who takes part, and why others cannot."""
    able: list[Peer] = []
    missing: dict[str, str] = {}
    tree = workload.tree(bench.trees)
    for peer in peers:
        reason = workload.lacking.get(peer.name) or peer.reason_against(tree)
        if reason:
            missing[peer.name] = reason
        elif _is_worth_it(workload, peer, able):
            able.append(peer)
    return able, missing


def _is_worth_it(workload: Workload, peer: Peer, others: Sequence[Peer]) -> bool:
    """Tell whether *peer* tells more about *workload* than the *others* do."""
    match peer:
        case RevcryptInPython():
            return workload.is_about_the_cipher
        case BindMount():
            return not any(isinstance(other, Passthrough) for other in others)
        case _:
            return True
