"""What is measured. A scenario fills its record with episodes, one repetition after the other."""

import math

from harm import episodes, faults
from harm.foreground import Foreground, NoUsers
from harm.modes import Fixed
from harm.ours import Ours, Several, unthrottled, variant
from harm.subjects import Nothing, Ticker, classic, rules, sweep
from harm.verifying import Verify

# ---------------------------------------------------------------- an even load

def steady(share, workload="writes", is_swept=True):
    def measure(stand, site, record):
        rate = stand.set_rate(site, record, workload, share)
        everyone = [Nothing("none, again", "check"), Ours(site), unthrottled(site), classic(site),
                    *sweep(site, stand.mode.sweep if is_swept else coarse(stand.mode.sweep))]
        everyone += rules(site)[:stand.mode.rules]
        take_turns(stand, site, record, workload, rate, everyone, stand.mode.each)

    return measure


def take_turns(stand, site, record, workload, rate, everyone, each):
    with Foreground(site, site.workload(workload), rate, stand.folder) as users:
        for repetition in stand.repetitions(record):
            for subject in episodes.in_turns(stand.dice, Nothing(), everyone, each):
                take_steady(stand, site, users, subject, repetition, record)


def take_steady(stand, site, users, subject, repetition, record, seconds=None, events=()):
    lengths = {"ours": stand.mode.long_s, "variant": stand.mode.long_s, "rule": stand.mode.rule_s}
    seconds = seconds or lengths.get(subject.kind, stand.mode.short_s)
    # All of an episode of ours counts, its start included. The first second of the others does
    # not, where there are more.
    skip = 0 if subject.kind in ("ours", "variant") or seconds < 2 else 1
    episode = episodes.take(site, users, subject, seconds, events, skip)
    stand.keep(record, repetition, episode)
    return episode


def coarse(settings):
    """A few of a sweep: synchronous, of middling size."""
    return [setting for setting in settings
            if setting.batch_rows in (250, 1000) and not setting.is_async]


# ---------------------------------------------------------------- the size of batches

# While others are at work a batch's rows are to take a fortieth of target_time, up to a twentieth
# where others wait for half of that anyway.
BATCH_SIZES = (
    ("1 to 2 ms", ["batch.target_time=40ms"]),
    ("5 to 10 ms", ["batch.target_time=200ms"]),
    ("100 rows", ["batch.adaptive=false", "batch.size=100"]),
    ("250 rows", ["batch.adaptive=false", "batch.size=250"]),
    ("1000 rows", ["batch.adaptive=false", "batch.size=1000"]),
)
# One rate in small and large batches, a higher one, and what waiting for no flush is worth.
BATCH_PEERS = (Fixed(60, 30), Fixed(250, 30), Fixed(1000, 30), Fixed(250, 8), Fixed(250, 30, True),
               Fixed(250, 15, True))


def quantum(stand, site, record):
    """How large a batch should be under throttle: ours and fixed sleeps with several sizes."""
    rate = stand.set_rate(site, record, "writes", 0.5)
    everyone = [Nothing("none, again", "check"), Ours(site), classic(site),
                *(variant(site, name, settings) for name, settings in BATCH_SIZES),
                *sweep(site, BATCH_PEERS)]
    take_turns(stand, site, record, "writes", rate, everyone, stand.mode.each)


# ---------------------------------------------------------------- what measuring costs

def ticks(stand, site, record):
    """Small commits, looks at the sessions and syncs of a file, without any backfill."""
    rate = stand.set_rate(site, record, "writes", 0.5)
    everyone = [Nothing("none, again", "check"), Ticker(site, "look", 66),
                Ticker(site, "sync", 66), *(Ticker(site, "commit", often) for often in (10, 20, 66))]
    take_turns(stand, site, record, "writes", rate, everyone, each=1)


# ---------------------------------------------------------------- a load that changes

def step(stand, site, record):
    knee = stand.set_rate(site, record, "writes", 0.3) / 0.3
    phase = stand.mode.phase_s
    record["phases"] = [["30 %", 0, phase], ["80 %", phase, 2 * phase],
                        ["30 % again", 2 * phase, 3 * phase]]
    everyone = [Nothing(), Ours(site), classic(site), unthrottled(site)][:stand.mode.step_subjects]
    layers = [(phase, phase, 0.5)]
    play(stand, site, record, everyone, knee, 0.3, layers, 3 * phase, stand.mode.step_repetitions)


def day(stand, site, record):
    """From 15 % to 85 % of the knee and back, in steps that follow a sine."""
    knee = stand.set_rate(site, record, "writes", 0.15) / 0.15
    everyone = [Nothing(), Ours(site), classic(site), *sweep(site, stand.mode.day_sweep)]
    play(stand, site, record, everyone, knee, 0.15, day_layers(stand.mode.trace_s),
         stand.mode.trace_s)


def day_layers(length, height=0.7, count=7):
    """Layers of equal height, so that together they are a sine from nothing to `height`."""
    layers = []
    for number in range(count):
        level = (number + 0.5) / count  # the layer is there while (1 - cos)/2 is above this
        begin = length * math.acos(1 - 2 * level) / (2 * math.pi)
        seconds = round(length - 2 * begin)
        if seconds >= 1:
            layers.append((begin, seconds, height / count))
    return layers


def bursts(stand, site, record):
    knee = stand.set_rate(site, record, "writes", 0.3) / 0.3
    seconds = stand.mode.trace_s
    layers = [(begin, 2, 0.5) for begin in range(10, seconds - 2, 20)]
    record["phases"] = [["bursts", begin, begin + 2] for begin, _, _ in layers]
    everyone = [Nothing(), Ours(site), classic(site), *sweep(site, stand.mode.day_sweep[1:3])]
    play(stand, site, record, everyone, knee, 0.3, layers, seconds)


def play(stand, site, record, everyone, knee, base, layers, seconds, repetitions=None):
    """The same trace for each subject; `layers` are (second, seconds, share of the knee)."""
    record["layers"] = [[0, seconds, base], *layers]
    with Foreground(site, site.workload("writes"), base * knee, stand.folder) as users:
        def more_users(length, share):
            return lambda: users.add_layer(share * knee, length)

        for repetition in stand.repetitions(record, repetitions):
            for subject in episodes.shuffled(stand.dice, everyone):
                events = [(begin, more_users(length, share)) for begin, length, share in layers]
                site.tidy_up()
                episode = episodes.take(site, users, subject, seconds, events)
                stand.keep(record, repetition, episode)


# ---------------------------------------------------------------- others

def hot_rows(stand, site, record):
    """Users and a backfill change the same rows, in place."""
    rate = stand.set_rate(site, record, "hot", 0.3)
    everyone = in_place(site)
    with Foreground(site, site.workload("hot"), rate, stand.folder) as users, \
            faults.LockWatch(site) as watch:
        for repetition in stand.repetitions(record):
            for subject in episodes.in_turns(stand.dice, Nothing(), everyone):
                watch.forget()
                episode = take_steady(stand, site, users, subject, repetition, record)
                episode["facts"]["longest_lock_wait_s"] = watch.longest_s


def lock_holder(stand, site, record):
    """Somebody locks some of the rows for two seconds, again and again."""
    rate = stand.set_rate(site, record, "hot", 0.1)
    everyone = in_place(site)
    with Foreground(site, site.workload("hot"), rate, stand.folder) as users, \
            faults.LockWatch(site) as watch:
        for repetition in stand.repetitions(record):
            for subject in episodes.in_turns(stand.dice, Nothing(), everyone):
                watch.forget()
                with faults.LockHolder(site, stand.dice.random()):
                    episode = take_steady(stand, site, users, subject, repetition, record,
                                          stand.mode.rule_s)
                episode["facts"]["longest_lock_wait_s"] = watch.longest_s


def in_place(site):
    return [Ours(site, lane="hot", is_in_place=True),
            unthrottled(site, lane="hot", is_in_place=True),
            classic(site, is_in_place=True)]


def two_at_once(stand, site, record):
    rate = stand.set_rate(site, record, "writes", 0.5)
    pair = Several("two of ours", [Ours(site, lane="first"), Ours(site, lane="second")])
    take_turns(stand, site, record, "writes", rate, [pair, Ours(site)], each=1)


def verify(stand, site, record):
    """A copy that is complete is verified over and over."""
    everyone = [Nothing("none, again", "check")]
    everyone += [Verify(site, has_plugin, is_throttled)
                 for has_plugin in (False, True) for is_throttled in (True, False)]
    rate = stand.set_rate(site, record, "writes", 0.5)
    take_turns(stand, site, record, "writes", rate, everyone, each=1)


def idle(stand, site, record):
    """Nobody is there: the throttle must not be either."""
    everyone = [Ours(site, ends=True), unthrottled(site, ends=True)]
    with NoUsers() as users:
        for repetition in stand.repetitions(record, stand.mode.idle_repetitions):
            for subject in episodes.shuffled(stand.dice, everyone):
                subject.start_afresh()
                episode = episodes.take(site, users, subject, stand.mode.idle_s)
                stand.keep(record, repetition, episode)
