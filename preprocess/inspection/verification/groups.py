"""Grouping of a tar's members into samples: all members of a key, adjacent and in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from preprocess.inspection.verification.problem import Problem
from preprocess.inspection.verification.tar import Member
from schemas import KEY_PATTERN, MEMBERS


@dataclass
class Group:
    """Adjacent members with one key: ending → member."""

    key: str
    members: dict[str, Member] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)


def split_name(name: str, endings: Sequence[str] = MEMBERS) -> tuple[str, str]:
    """Return key and ending; a known ending at the end of the name takes precedence."""
    for ending in endings:
        if name.endswith(f".{ending}"):
            return name.removesuffix(f".{ending}"), ending
    key, _, ending = name.partition(".")
    return key, ending


def group(members: Iterable[Member], endings: Sequence[str] = MEMBERS) -> list[Group]:
    """Group adjacent members with the same key."""
    groups: list[Group] = []
    for member in members:
        key, ending = split_name(member.name, endings)
        if not groups or groups[-1].key != key:
            groups.append(Group(key))
        groups[-1].members.setdefault(ending, member)
        groups[-1].order.append(ending)
    return groups


def check_groups(shard: str, groups: Iterable[Group], endings: Sequence[str] = MEMBERS) -> Iterator[Problem]:
    """Yield everything that would make a reader lose, split or merge samples, or execute what it reads.

    ``endings`` are those of a sample's members, in order.
    """
    seen: set[str] = set()
    for found in groups:
        if found.key in seen:
            yield Problem(shard, found.key, "", "not all members of the key lie next to each other: a sample is split")
        seen.add(found.key)
        if "." in found.key:
            yield Problem(shard, found.key, "", "the key holds a dot: readers take the rest for a member's ending")
        elif not re.fullmatch(KEY_PATTERN, found.key):
            yield Problem(shard, found.key, "", f"the key is not {KEY_PATTERN}: it would name a file elsewhere")
        for ending in dict.fromkeys(found.order):
            if ending not in endings:
                yield Problem(shard, found.key, ending, f"no member of a sample{_danger(ending)}")
            if (count := found.order.count(ending)) > 1:
                yield Problem(shard, found.key, ending, f"comes {count} times: samples are merged")
        missing = [ending for ending in endings if ending not in found.members]
        for ending in missing:
            yield Problem(shard, found.key, ending, "missing: half a sample")
        known = [ending for ending in found.members if ending in endings]
        if known != [ending for ending in endings if ending in known]:
            yield Problem(shard, found.key, "", f"members are in another order: {', '.join(known)}")


def _danger(ending: str) -> str:
    runs = ending.rsplit(".", 1)[-1] in ("pyd", "pkl", "pickle", "pth")
    return ", and webdataset runs the code in it" if runs else ""
