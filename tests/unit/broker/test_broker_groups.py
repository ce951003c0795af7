"""One group's rebalances and one broker's transactions, without a socket and without waiting."""

import asyncio
import time
from pathlib import Path

from shadow.demo.broker.codes import Code
from shadow.demo.broker.coordinator import Coordinator
from shadow.demo.broker.groups import Group, Member
from shadow.demo.broker.topics import Topics
from shadow.demo.broker.transactions import Transactions


def joining(group: Group, name: str, *protocols: str, instance: str | None = None) -> "asyncio.Future[tuple[int, str]]":
    loop = asyncio.get_running_loop()
    member = group.members.setdefault(name, Member(name, instance=instance, session_ms=1000, rebalance_ms=1000))
    member.protocols = [(p, b"") for p in protocols or ("range",)]
    member.join = loop.create_future()
    if instance:
        group.static[instance] = name
    if group.state != "PreparingRebalance":
        group.prepare()
    group.complete_if_all_joined()
    return member.join if member.join is not None else loop.create_future()


async def stable(*names: str) -> Group:
    """A group whose members have joined and been given something."""
    group = Group("g", asyncio.get_running_loop(), 0.0)
    joins = [joining(group, name) for name in names]
    await asyncio.gather(*joins)
    group.assign({name: name.encode() for name in names})
    return group


async def test_members_that_joined_share_a_generation_and_get_the_leaders_assignment() -> None:
    group = await stable("a", "b")

    assert (group.state, group.generation, group.leader, group.protocol) == ("Stable", 1, "a", "range")
    assert {m.id: m.assignment for m in group.members.values()} == {"a": b"a", "b": b"b"}


async def test_the_protocol_is_one_that_all_know() -> None:
    group = Group("g", asyncio.get_running_loop(), 0.0)
    await asyncio.gather(joining(group, "a", "new", "old"), joining(group, "b", "old"))

    assert group.protocol == "old"


async def test_a_silent_member_is_removed_and_the_rest_rebalances() -> None:
    group = await stable("a", "b")
    group.members["b"].last_seen -= 60
    group.expire(time.monotonic())

    assert list(group.members) == ["a"]
    assert group.state == "PreparingRebalance"
    assert group.check("b", 1) == Code.UNKNOWN_MEMBER_ID


async def test_the_last_member_leaves_an_empty_group() -> None:
    group = await stable("a")
    group.remove("a")

    assert (group.state, group.members, group.leader) == ("Empty", {}, None)


async def test_a_member_that_waits_for_its_assignment_hears_of_the_next_rebalance() -> None:
    group = await stable("a")
    waiting = group.members["a"].sync = asyncio.get_running_loop().create_future()
    group.prepare()

    assert (await waiting)[0] == Code.REBALANCE_IN_PROGRESS


async def test_a_static_member_that_comes_back_fences_its_old_self() -> None:
    group = Group("g", asyncio.get_running_loop(), 0.0)
    await joining(group, "old", instance="i")
    group.replace("old", "new")
    group.static["i"] = "new"

    assert group.check("old", 1, "i") == Code.FENCED_INSTANCE_ID
    assert group.leader == "new"


async def test_an_old_generation_is_refused() -> None:
    group = await stable("a")

    assert group.check("a", 0) == Code.ILLEGAL_GENERATION


async def test_groups_that_were_only_asked_about_are_forgotten(tmp_path: Path) -> None:
    coordinator = Coordinator(0.0, tmp_path)
    coordinator.group("asked")
    coordinator.commit(coordinator.group("used"), {("t", 0): (5, "m")})
    coordinator.expire()

    assert [g.id for g in coordinator.all()] == ["used"]
    assert Coordinator(0.0, tmp_path).group("used").offsets == {("t", 0): (5, "m")}


async def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() -> None:
    topics = Topics(1, 1 << 20, None)
    topics.create("t")
    transactions = Transactions(topics, Coordinator(0.0, None), 0.0)
    _, producer_id, epoch = transactions.init("tx", 1000, None)
    transaction, _ = transactions.find("tx", producer_id, epoch)
    assert transaction is not None
    transaction.begin()
    transaction.partitions.add(("t", 0))
    transaction.started -= 60
    transactions.expire()

    assert transactions.find("tx", producer_id, epoch) == (None, Code.PRODUCER_FENCED)
    assert topics.logs("t")[0].end == 1


async def test_producer_ids_grow_over_restarts() -> None:
    topics = Topics(1, 1 << 20, None)
    first = Transactions(topics, Coordinator(0.0, None), 0.0).new_producer_id()
    await asyncio.sleep(0.005)

    assert Transactions(topics, Coordinator(0.0, None), 0.0).new_producer_id() > first
