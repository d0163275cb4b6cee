"""What doctor says of the messages between the ranks and between their hosts."""

from collections.abc import Iterator
from statistics import median

from hpcadmm.comm import probe
from hpcadmm.comm.world import World
from hpcadmm.doctor.finding import Finding

SIZES = (1 << 16, 1 << 20, 1 << 23, 1 << 25)  # of messages whose bandwidth counts
SLOW_LINK = "the link between these hosts is slow; without one of them the job may be faster"


def messages(world: World) -> Iterator[Finding]:
    """Latency, bandwidth and Allreduce times between the ranks. Collective."""
    if world.size == 1:
        yield Finding("ok", "messages", "one rank: nothing to measure")
        return
    latency = probe.pingpong(world, 8)
    (size, large) = list(probe.rising(lambda n: probe.pingpong(world, n), SIZES[:-1]))[-1]
    yield Finding("ok", "ping-pong", f"8 B {latency * 1e6:.2f} us, {named(size)} {rate(size / large)}")
    short = probe.allreduce(world, 8)
    sums = list(probe.rising(lambda n: probe.allreduce(world, n), SIZES))
    shown = [f"{named(n)} {t * 1e3:.3g} ms" for n, t in sums if n >= 1 << 20 or n == sums[-1][0]]
    yield Finding("ok", "Allreduce", ", ".join([f"8 B {short * 1e6:.1f} us", *shown]))
    yield from between(world, size)


def between(world: World, size: int) -> Iterator[Finding]:
    """Latency and bandwidth between the hosts, by messages of `size` bytes. Collective."""
    names = world.gather(world.host)
    hosts = list(dict.fromkeys(names))
    if len(hosts) == 1:
        return
    found = probe.pairs(world, [names.index(host) for host in hosts], size)
    slow, late = min(found, key=lambda pair: pair.bandwidth), max(found, key=lambda pair: pair.latency)
    latency, bandwidth = median(pair.latency for pair in found), median(pair.bandwidth for pair in found)
    latencies = f"latency {latency * 1e6:.1f} us, worst {late.latency * 1e6:.1f} us ({both(late, hosts)})"
    text = f"{latencies}; bandwidth {rate(bandwidth)}, worst {rate(slow.bandwidth)} ({both(slow, hosts)})"
    text = f"{len(found)} of {len(hosts) * (len(hosts) - 1) // 2} pairs of hosts, medians: {text}"
    poor = slow.bandwidth < bandwidth / 2
    yield Finding("warning", "network", text, SLOW_LINK) if poor else Finding("ok", "network", text)


def both(pair: probe.Pair, hosts: list[str]) -> str:
    """The names of a pair's hosts."""
    return f"{hosts[pair.one]} - {hosts[pair.other]}"


def named(size: int) -> str:
    """A power of two of bytes.

    >>> named(1 << 16), named(1 << 23)
    ('64 KiB', '8 MiB')
    """
    return f"{size >> 10} KiB" if size < 1 << 20 else f"{size >> 20} MiB"


def rate(bytes_per_second: float) -> str:
    """In GB/s.

    >>> rate(12.5e6), rate(12.34e9)
    ('0.0125 GB/s', '12.3 GB/s')
    """
    return f"{bytes_per_second / 1e9:.3g} GB/s"
