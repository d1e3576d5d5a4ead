"""All cases, in the order in which they are measured."""

from dataclasses import dataclass
from typing import Callable

from comparison import (copy_cases, in_place_cases, sqlite_cases, timed_cases, tool_cases,
                        verify_cases)


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    prepare: Callable  # of a lab; makes the data and returns a Plan


CASES = [Case(*case) for module in (copy_cases, in_place_cases, tool_cases, sqlite_cases,
                                    verify_cases, timed_cases) for case in module.CASES]
