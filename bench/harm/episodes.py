"""One episode: a subject beside the live users for some seconds, and what both of them did."""

import random
import time

import psycopg2

from comparison.errors import BenchError
from comparison.lab import say

POLL_INTERVAL_S = 0.25


def take(site, users, subject, seconds, events=(), skip=0):
    """Plain values of one episode, or what made it fail as `error`.

    `events` are (second, what to do); windows before second `skip` are not counted: there a
    subject without memory follows another one.
    """
    pending = sorted(events, key=lambda event: event[0])
    try:
        subject.prepare(seconds)
        users.settle()
        users.forget()
        began = time.time()
        subject.go()
        _pass_time(began, seconds, pending, subject)
        worked_s = min(time.time() - began, seconds)
        outcome = subject.end()
        late_s = users.settle()
    except (BenchError, psycopg2.Error) as error:
        subject.kill()
        return {"subject": subject.name, "facts": {}, "error": " ".join(str(error).split())}
    except BaseException:
        subject.kill()
        raise
    return {
        "subject": subject.name, "kind": subject.kind, "at": round(began, 3), "skip": skip,
        "rows": outcome.rows, "seconds": round(outcome.seconds, 3),
        "rows_per_s": round(outcome.rows / outcome.seconds, 1) if outcome.seconds else 0,
        "settled_after_s": round(late_s, 2), "series": outcome.series, "facts": outcome.facts,
        "windows": users.windows(began, worked_s),
    }


def _pass_time(began, seconds, pending, subject):
    """Until the seconds are over, or the subject has nothing left to do."""
    next_poll = 0.0
    while True:
        offset = time.time() - began
        while pending and pending[0][0] <= offset:
            pending.pop(0)[1]()
        if offset >= seconds or subject.is_over:
            return
        if offset >= next_poll:
            subject.poll(offset)
            next_poll = offset + POLL_INTERVAL_S
        wait_until = min(next_poll, seconds, pending[0][0] if pending else seconds)
        time.sleep(max(0.001, began + wait_until - time.time()))


def in_turns(dice, quiet, others, each=3):
    """A shuffled order with the quiet subject at both ends and after every few others."""
    order = list(others)
    dice.shuffle(order)
    turns = [quiet]
    for number, subject in enumerate(order, 1):
        turns.append(subject)
        if number % each == 0 or number == len(order):
            turns.append(quiet)
    return turns


def shuffled(dice: random.Random, subjects):
    order = list(subjects)
    dice.shuffle(order)
    return order


def tell(repetition, episode):
    """A line of progress."""
    counted = [window for window in episode["windows"] if window[0] >= episode["skip"]]
    p99 = sorted(window[4] for window in counted)
    middle = f"{p99[len(p99) // 2]:8.2f} ms" if p99 else "          –"
    say(f"   {repetition:>2}  {episode['subject']:<28}{episode['rows_per_s'] / 1000:9.1f} krows/s"
        f"  p99 {middle}")
