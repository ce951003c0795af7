"""Requests of consumer groups: joining, heartbeats, leaving, and questions about them."""

import asyncio
import time
import uuid
from typing import Any

from shadow.demo.broker.apis import RESPONSES
from shadow.demo.broker.call import Call, Handler, answer
from shadow.demo.broker.codes import Code
from shadow.demo.broker.groups import Group, Member

_MAX_SESSION_MS = 1_800_000


async def _find_coordinator(call: Call) -> Any:
    host, port = call.state.address
    return answer("FindCoordinator", call, error_code=0, error_message=None, node_id=1, host=host, port=port)


async def _join_group(call: Call) -> Any:
    request = call.request
    instance = request.group_instance_id if call.version >= 5 else None
    if not request.group_id:
        return _not_joined(call, Code.INVALID_GROUP_ID, request.member_id)
    if not call.state.min_session_ms <= request.session_timeout_ms <= _MAX_SESSION_MS:
        return _not_joined(call, Code.INVALID_SESSION_TIMEOUT, request.member_id)
    group = call.state.coordinator.group(request.group_id)
    error, member_id, replaced = _admit(call, group, instance)
    if error:
        return _not_joined(call, error, member_id)
    is_new = member_id not in group.members
    member = group.members.setdefault(member_id, Member(member_id))
    group.pending.pop(member_id, None)
    if instance:
        member.instance = instance
        group.static[instance] = member_id
    changed = _update(call, member)
    group.protocol_type = request.protocol_type
    steady = not is_new and not changed and _nothing_to_do(group, member_id, replaced=replaced)
    if not steady:
        joined: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        member.join = joined
        if group.state != "PreparingRebalance":
            group.prepare()
        group.complete_if_all_joined()
        code, member_id = await joined
        if code:
            return _not_joined(call, code, member_id)
    return _joined(call, group, member_id, took_over=steady and replaced)


def _admit(call: Call, group: Group, instance: str | None) -> tuple[Code, str, bool]:
    """Error, member id, and whether a static member took its old place over."""
    request, member_id = call.request, call.request.member_id
    others = [m.names() for m in group.members.values() if m.id != member_id]
    if others and not set.intersection({p.name for p in request.protocols}, *others):
        return Code.INCONSISTENT_GROUP_PROTOCOL, "", False
    old = group.static.get(instance) if instance else None
    if member_id:
        if old is not None and old != member_id:
            return Code.FENCED_INSTANCE_ID, member_id, False
        known = member_id in group.members or member_id in group.pending
        return (Code.NONE if known else Code.UNKNOWN_MEMBER_ID), member_id, False
    member_id = f"{instance or call.client}-{uuid.uuid4()}"
    if old is not None:
        group.replace(old, member_id)
        return Code.NONE, member_id, True
    if instance is None and call.version >= 4:
        group.expect(member_id)
        return Code.MEMBER_ID_REQUIRED, member_id, False
    return Code.NONE, member_id, False


def _update(call: Call, member: Member) -> bool:
    """Takes over what the member says about itself. True: what it can do has changed."""
    request = call.request
    protocols = [(p.name, bytes(p.metadata)) for p in request.protocols]
    changed = member.protocols != protocols
    rebalance_ms = getattr(request, "rebalance_timeout_ms", -1)
    member.protocols, member.client, member.last_seen = protocols, call.client, time.monotonic()
    member.session_ms = request.session_timeout_ms
    member.rebalance_ms = rebalance_ms if rebalance_ms >= 0 else member.session_ms
    return changed


def _nothing_to_do(group: Group, member_id: str, *, replaced: bool) -> bool:
    if group.state == "Stable":
        return group.leader != member_id or replaced  # a leader that joins again wants a rebalance
    return group.state == "CompletingRebalance" and not replaced


def _joined(call: Call, group: Group, member_id: str, *, took_over: bool) -> Any:
    """`took_over`: a static member came back to a stable group, whose assignment stands."""
    leads = group.leader == member_id
    member = RESPONSES["JoinGroup"].JoinGroupResponseMember
    members = [
        member(member_id=m.id, group_instance_id=m.instance, metadata=m.metadata(group.protocol))
        for m in (group.members.values() if leads else ())
    ]
    return answer(
        "JoinGroup",
        call,
        error_code=0,
        generation_id=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        leader=group.leader,
        skip_assignment=took_over and leads and call.version >= 9,
        member_id=member_id,
        members=members,
    )


def _not_joined(call: Call, error: int, member_id: str) -> Any:
    return answer(
        "JoinGroup",
        call,
        error_code=error,
        generation_id=-1,
        protocol_type=None,
        protocol_name="" if call.version < 7 else None,
        leader="",
        skip_assignment=False,
        member_id=member_id,
        members=[],
    )


def _instance(call: Call) -> str | None:
    return call.request.group_instance_id if call.version >= 3 else None


async def _sync_group(call: Call) -> Any:
    request = call.request
    group = call.state.coordinator.group(request.group_id)
    error: int = group.check(request.member_id, request.generation_id, _instance(call))
    assignment = b""
    if not error:
        member = group.members[request.member_id]
        member.last_seen = time.monotonic()
        if group.state == "PreparingRebalance":
            error = Code.REBALANCE_IN_PROGRESS
        elif group.state == "Stable":
            assignment = member.assignment
        else:
            waiting: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
            member.sync = waiting
            if group.leader == member.id:
                group.assign({a.member_id: bytes(a.assignment) for a in request.assignments})
            error, assignment = await waiting
    return answer(
        "SyncGroup",
        call,
        error_code=error,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        assignment=assignment,
    )


async def _heartbeat(call: Call) -> Any:
    request = call.request
    group = call.state.coordinator.group(request.group_id)
    error = group.check(request.member_id, request.generation_id, _instance(call))
    if not error:
        group.members[request.member_id].last_seen = time.monotonic()
        error = Code.REBALANCE_IN_PROGRESS if group.state == "PreparingRebalance" else Code.NONE
    return answer("Heartbeat", call, error_code=error)


async def _leave_group(call: Call) -> Any:
    request, version = call.request, call.version
    group = call.state.coordinator.group(request.group_id)
    leaving = (
        [(m.member_id, m.group_instance_id) for m in request.members] if version >= 3 else [(request.member_id, None)]
    )
    results = []
    for member_id, instance in leaving:
        real = group.static.get(instance, member_id) if instance else member_id
        error = Code.NONE if real in group.members else Code.UNKNOWN_MEMBER_ID
        group.remove(real)
        results.append((member_id, instance, error))
    response = RESPONSES["LeaveGroup"].MemberResponse
    return answer(
        "LeaveGroup",
        call,
        error_code=0 if version >= 3 else results[0][2],
        members=[response(member_id=m, group_instance_id=i, error_code=e) for m, i, e in results]
        if version >= 3
        else [],
    )


async def _list_groups(call: Call) -> Any:
    listed = RESPONSES["ListGroups"].ListedGroup
    states = call.request.states_filter if call.version >= 4 else None
    groups = [
        listed(group_id=g.id, protocol_type=g.protocol_type, group_state=g.state)
        for g in call.state.coordinator.all()
        if not states or g.state in states
    ]
    return answer("ListGroups", call, error_code=0, groups=groups)


async def _describe_groups(call: Call) -> Any:
    groups = [_described(group_id, call.state.coordinator.known(group_id)) for group_id in call.request.groups]
    return answer("DescribeGroups", call, groups=groups)


def _described(group_id: str, group: Group | None) -> Any:
    described = RESPONSES["DescribeGroups"].DescribedGroup
    members = [
        described.DescribedGroupMember(
            member_id=m.id,
            group_instance_id=m.instance,
            client_id=m.client,
            client_host="/127.0.0.1",
            member_metadata=m.metadata(group.protocol),
            member_assignment=m.assignment,
        )
        for m in (group.members.values() if group is not None else ())
        if group is not None
    ]
    return described(
        error_code=0,
        group_id=group_id,
        group_state=group.state if group is not None else "Dead",
        protocol_type=group.protocol_type if group is not None else "",
        protocol_data=(group.protocol if group is not None else None) or "",
        authorized_operations=None,
        members=members,
    )


async def _delete_groups(call: Call) -> Any:
    result, results = RESPONSES["DeleteGroups"].DeletableGroupResult, []
    for group_id in call.request.groups_names:
        group = call.state.coordinator.known(group_id)
        error = Code.GROUP_ID_NOT_FOUND if group is None else Code.NON_EMPTY_GROUP if group.members else Code.NONE
        if not error:
            call.state.coordinator.delete(group_id)
        results.append(result(group_id=group_id, error_code=error))
    return answer("DeleteGroups", call, results=results)


HANDLERS: dict[str, Handler] = {
    "FindCoordinator": _find_coordinator,
    "JoinGroup": _join_group,
    "SyncGroup": _sync_group,
    "Heartbeat": _heartbeat,
    "LeaveGroup": _leave_group,
    "ListGroups": _list_groups,
    "DescribeGroups": _describe_groups,
    "DeleteGroups": _delete_groups,
}
