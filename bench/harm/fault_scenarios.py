"""Scenarios in which something breaks: a standby, or the sessions that measure."""

from harm import episodes, faults
from harm.foreground import Foreground
from harm.ours import Ours
from harm.scenarios import take_steady
from harm.standby import LagWatch, Standby
from harm.subjects import Nothing


def sensor_lost(stand, site, record):
    """In the middle of an episode; the run must go on, and spare the users as before."""
    rate = stand.set_rate(site, record, "writes", 0.5)
    untouched, hurt = Ours(site), Ours(site, name="ours, sensors ended")
    with Foreground(site, site.workload("writes"), rate, stand.folder) as users:
        for repetition in stand.repetitions(record):
            for subject in episodes.in_turns(stand.dice, Nothing(), [untouched, hurt], each=1):
                ended = []
                events = []
                if subject is hurt:
                    events = [(at * stand.mode.long_s, lambda: ended.append(
                        faults.end_sensor_sessions(site))) for at in (0.3, 0.6)]
                episode = take_steady(stand, site, users, subject, repetition, record,
                                      events=events)
                if subject is hurt:
                    episode["facts"]["sessions_ended"] = sum(ended)


def replica_lag(stand, site, record):
    """Five phases: as usual, replay paused, resumed, the standby gone, and back."""
    rate = stand.set_rate(site, record, "writes", 0.3)
    phase = stand.mode.fault_s
    record["phases"] = [[name, number * phase, (number + 1) * phase] for number, name in enumerate(
        ["as usual", "replay paused", "resumed", "standby gone", "back"])]
    with Standby(stand.folder / "standby", site.server) as standby, LagWatch(standby) as watch:
        ours = Ours(site, lane="watched", lines=(
            "[throttle]", f'replicas = ["{standby.uri("postgres")}"]'))
        with Foreground(site, site.workload("writes"), rate, stand.folder) as users:
            for repetition in stand.repetitions(record, stand.mode.fault_repetitions):
                for subject in episodes.shuffled(stand.dice, [Nothing(), ours]):
                    events = [(phase, standby.pause_replay), (2 * phase, standby.resume_replay),
                              (3 * phase, standby.leave), (4 * phase, standby.come_back),
                              (0, watch.begin)]
                    episode = episodes.take(site, users, subject, 5 * phase, events)
                    episode["facts"]["lag"] = list(watch.seen)
                    stand.keep(record, repetition, episode)
