"""Can this configuration read its topic? Each step by itself: address, listener, TLS, login, topic, rights, group."""

import logging
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.admin import DescribeGroupsRequest
from kafka.protocol.metadata import FindCoordinatorRequest, MetadataRequest
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from shadow.app.connecting_base import Deadline, Line, Unanswered, connect, unverified, why_not_trusted
from shadow.app.connecting_wire import Address, NotKafka, Wire, addresses, context_of
from shadow.settings import KafkaSource

_MOST_ADDRESSES = 4
_MOST_LEADERS = 8
_WITH_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_UNSUPPORTED_MECHANISM, _NO_SASL_HERE, _WRONG_LOGIN = 33, 34, 58
_NO_TOPIC, _NO_LEADER, _TOPIC_FORBIDDEN, _INVALID_TOPIC = 3, 5, 29, 17
_COORDINATOR_LOADING, _COORDINATOR_ABSENT, _GROUP_FORBIDDEN = 14, 15, 30
_READ, _WRITE, _NOT_TOLD = 3, 4, 31
_CA = "set source.security.ssl_cafile to the file of the authority that signed it"


def check_kafka(source: KafkaSource, deadline: Deadline, *, writes: bool = False) -> Iterator[Line]:
    """The lines for a source: one for each broker of `bootstrap_servers`, then topic, group and dead letters.

    `writes`: heartbeats go into the mirrored topic too.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    probe = _Probe(source, deadline, writes=writes)
    failed: list[Line] = []
    wire: Wire | None = None
    for address in addresses(source.bootstrap_servers)[:_MOST_ADDRESSES]:
        try:
            wire = probe.enter(address)
        except Unanswered as problem:
            failed.append(Line(state="FIX", subject=f"broker {address}", text=str(problem)))
            continue
        break
    if wire is None:
        yield from failed
        return
    with wire:
        yield from (Line(state="NOTE", subject=line.subject, text=line.text) for line in failed)
        yield Line(state="OK", subject=f"broker {address}", text=probe.described())
        try:
            yield from probe.topics(wire)
            yield from probe.group(wire, address)
        except (Unanswered, NotKafka, OSError) as problem:
            text = str(problem) if isinstance(problem, Unanswered) else "broke off in the middle; ask again"
            yield Line(state="FIX", subject=f"broker {address}", text=text)


class _Probe:
    """The questions of one check."""

    def __init__(self, source: KafkaSource, deadline: Deadline, *, writes: bool) -> None:
        self._source, self._deadline, self._writes = source, deadline, writes
        self._security: Mapping[str, Any] = source.security
        self._protocol = str(source.security.get("security_protocol", "PLAINTEXT")).upper()
        self._tls = self._protocol in ("SSL", "SASL_SSL")
        self._sasl = self._protocol.startswith("SASL_")
        self._mechanism = str(source.security.get("sasl_mechanism", ""))

    def described(self) -> str:
        """What was used to get in."""
        login = f", {self._mechanism} as {self._security.get('sasl_plain_username')}" if self._sasl else ""
        return f"answers ({self._protocol}{login})"

    def enter(self, address: Address) -> Wire:
        """A connection that may ask for topics. Raises Unanswered with the reason and the remedy."""
        wire = self._introduced(address)
        try:
            if self._sasl:
                self._log_in(wire, address)
            else:
                self._make_sure_nobody_asks_who_we_are(wire, address)
        except BaseException:
            wire.close()
            raise
        return wire

    # ---- listener and TLS ----

    def _introduced(self, address: Address) -> Wire:
        context = self._context() if self._tls else None
        try:
            wire = Wire.open(address, context, self._deadline)
        except ssl.SSLCertVerificationError as error:
            raise Unanswered(f"TLS: {why_not_trusted(error, address.host, ca=_CA)}") from None
        except OSError:
            raise Unanswered(self._why_no_tls(address)) from None
        try:
            wire.introduce()
        except ssl.SSLError:
            wire.close()
            raise Unanswered(
                "TLS: the broker wants a certificate from us; set source.security.ssl_certfile and ssl_keyfile"
                if not self._security.get("ssl_certfile")
                else "TLS: the broker refuses our certificate (source.security.ssl_certfile); have it signed by an "
                "authority that the broker trusts"
            ) from None
        except NotKafka:
            wire.close()
            raise Unanswered(self._why_silent(address)) from None
        if MetadataRequest.API_KEY not in wire.versions:
            wire.close()
            raise Unanswered("this is a controller's port, which clients cannot use; name a broker's listener")
        return wire

    def _context(self) -> ssl.SSLContext:
        try:
            return context_of(self._security)
        except (OSError, ValueError, TypeError) as error:
            what = "ssl_certfile, ssl_keyfile or ssl_password" if self._security.get("ssl_certfile") else "ssl_cafile"
            reason = "no such file" if isinstance(error, FileNotFoundError) else "it cannot be read as PEM"
            raise Unanswered(
                f"source.security.{what} cannot be used ({reason}); correct the path or the file"
            ) from None

    def _why_no_tls(self, address: Address) -> str:
        """TLS was configured and the handshake failed for another reason than the certificate."""
        if self._answers(address, tls=False):
            asked = self._mechanisms(address, tls=False)
            better = "SASL_PLAINTEXT" if asked else "PLAINTEXT"
            return (
                f"this listener speaks without TLS, and security_protocol is {self._protocol}; "
                f"use the port of the TLS listener, or set source.security.security_protocol: {better}"
            )
        if not self._security.get("ssl_certfile"):
            return (
                "the TLS handshake fails; is this a Kafka listener? If it wants a certificate from us, set "
                "source.security.ssl_certfile and ssl_keyfile"
            )
        return "the TLS handshake fails; check the port, the certificate in ssl_certfile and the broker's TLS versions"

    def _why_silent(self, address: Address) -> str:
        """Something listens and does not answer as a broker does."""
        if not self._tls and self._shakes_hands(address):
            asked = self._mechanisms(address, tls=True)
            if asked:
                return (
                    f"this listener expects TLS and a login (it offers {', '.join(asked)}); "
                    "set source.security.security_protocol: SASL_SSL, "
                    "ssl_cafile (the file of the authority), sasl_mechanism, sasl_plain_username and sasl_plain_password"
                )
            return (
                "this listener expects TLS; set source.security.security_protocol: SSL and ssl_cafile (the file of the "
                "authority that signed its certificate)"
            )
        return "something listens there that does not answer as a Kafka broker; check host and port"

    def _shakes_hands(self, address: Address) -> bool:
        try:
            Wire.open(address, unverified(), self._deadline).close()
        except (Unanswered, OSError):
            return False
        return True

    def _answers(self, address: Address, *, tls: bool) -> bool:
        try:
            with Wire.open(address, unverified() if tls else None, self._deadline) as wire:
                wire.introduce()
        except (Unanswered, NotKafka, OSError):
            return False
        return True

    def _mechanisms(self, address: Address, *, tls: bool) -> list[str]:
        """The logins a listener offers; empty when it asks for none. Sends no name and no password."""
        try:
            with Wire.open(address, unverified() if tls else None, self._deadline) as wire:
                wire.introduce()
                answer = wire.ask(SaslHandshakeRequest, wire.newest(SaslHandshakeRequest, 1), mechanism="?")
        except (Unanswered, NotKafka, OSError):
            return []
        return sorted(answer.mechanisms) if answer.error_code != _NO_SASL_HERE else []

    # ---- login ----

    def _make_sure_nobody_asks_who_we_are(self, wire: Wire, address: Address) -> None:
        try:
            wire.ask(MetadataRequest, wire.newest(MetadataRequest, 8), topics=[], allow_auto_topic_creation=False)
        except NotKafka:
            offered = self._mechanisms(address, tls=self._tls)
            better = f"SASL_{'SSL' if self._tls else 'PLAINTEXT'}"
            names = ", ".join(offered) or "unknown ones"
            raise Unanswered(
                f"this listener asks for a login (it offers {names}); set source.security.security_protocol: {better}, "
                "sasl_mechanism, sasl_plain_username and sasl_plain_password"
            ) from None

    def _log_in(self, wire: Wire, address: Address) -> None:
        if not self._mechanism:
            offered = ", ".join(self._mechanisms(address, tls=self._tls)) or "none"
            raise Unanswered(f"no sasl_mechanism is configured; the broker offers {offered}: set one")
        try:
            answer = wire.ask(SaslHandshakeRequest, wire.newest(SaslHandshakeRequest, 1), mechanism=self._mechanism)
        except NotKafka:
            raise Unanswered(self._no_login_here()) from None
        if answer.error_code == _NO_SASL_HERE:
            raise Unanswered(self._no_login_here())
        if self._mechanism not in answer.mechanisms:
            offered = ", ".join(sorted(answer.mechanisms)) or "none"
            raise Unanswered(
                f"the broker does not offer the mechanism {self._mechanism}; it offers {offered}: "
                "set source.security.sasl_mechanism to one of them"
            )
        if self._mechanism not in _WITH_PASSWORD:
            raise Unanswered(f"the login with {self._mechanism} is not tried here; `shadow run` shows whether it works")
        self._send_password(wire)

    def _no_login_here(self) -> str:
        better = "SSL" if self._tls else "PLAINTEXT"
        return (
            f"this listener asks for no login, and security_protocol is {self._protocol}; use the port of the SASL "
            f"listener, or set source.security.security_protocol: {better}"
        )

    def _send_password(self, wire: Wire) -> None:
        for key in ("sasl_plain_username", "sasl_plain_password"):
            if not self._security.get(key):
                raise Unanswered(f"source.security.{key} is missing; {self._mechanism} needs a name and a password")
        mechanism = get_sasl_mechanism(self._mechanism)(**self._security)
        wrong = Unanswered(
            f"the broker refuses the login of {self._security['sasl_plain_username']} with {self._mechanism}: wrong name "
            "or password, or the user has no credentials of this mechanism; correct source.security.sasl_plain_password"
        )
        try:
            while not mechanism.is_done():
                answer = wire.ask(SaslAuthenticateRequest, 0, auth_bytes=mechanism.auth_bytes())
                if answer.error_code:
                    raise wrong
                mechanism.receive(answer.auth_bytes)
        except (NotKafka, ValueError, KeyError):
            raise wrong from None

    # ---- topic and group ----

    def topics(self, wire: Wire) -> Iterator[Line]:
        """The mirrored topic and the one for dead letters: there, and ours to use; and the brokers that lead it."""
        names = [self._source.topic, *([self._source.dead_letter_topic] if self._source.dead_letter_topic else [])]
        version = wire.newest(MetadataRequest, 8)
        topic_of = MetadataRequest.MetadataRequestTopic
        answer = wire.ask(
            MetadataRequest,
            version,
            topics=[topic_of(name=name) for name in names],
            allow_auto_topic_creation=False,
            include_topic_authorized_operations=version >= 8,
        )
        found = {topic.name: topic for topic in answer.topics}
        readable = self._topic_line(names[0], found.get(names[0]), _READ)
        yield readable
        if self._writes and readable.state == "OK":
            yield self._topic_line(names[0], found.get(names[0]), _WRITE)
        if len(names) > 1:
            yield self._topic_line(names[1], found.get(names[1]), _WRITE)
        topic = found.get(names[0])
        leaders = {p.leader_id for p in topic.partitions} if topic is not None else set()
        for broker in [b for b in answer.brokers if b.node_id in leaders][:_MOST_LEADERS]:
            try:
                connect(broker.host, broker.port, self._deadline).close()
            except Unanswered as problem:
                yield Line(
                    state="FIX",
                    subject=f"broker {broker.host}:{broker.port}",
                    text=f"the cluster sends clients to this address, and from here {problem}; "
                    "correct advertised.listeners of the broker, or make the name known here",
                )

    def _topic_line(self, name: str, topic: Any, right: int) -> Line:
        subject, verb = f"topic {name}", "read" if right == _READ else "write"
        code = topic.error_code if topic is not None else _NO_TOPIC
        if code in (_NO_TOPIC, _NO_LEADER, _INVALID_TOPIC) and not (topic is not None and topic.partitions):
            bootstrap = self._source.bootstrap_servers.split(",")[0].strip()
            by_hand = f"kafka-topics --bootstrap-server {bootstrap} --create --topic {name} --partitions 4"
            ours = "`shadow mirror FILE -c CONFIG --partitions 4` or " if right == _READ else ""
            return Line(state="FIX", subject=subject, text=f"does not exist; create it with {ours}`{by_hand}`")
        if code == _TOPIC_FORBIDDEN or not self._allowed(topic.authorized_operations, right):
            return Line(
                state="FIX",
                subject=subject,
                text=f"{self._who()} may not {verb} it (or it does not exist); grant it with "
                f"`{self._grant(verb, 'topic', name)}`",
            )
        if code:
            return Line(state="FIX", subject=subject, text=f"the broker answers with error {code}; see its log")
        return Line(state="OK", subject=subject, text=f"{len(topic.partitions)} partitions, may {verb}")

    def group(self, wire: Wire, address: Address) -> Iterator[Line]:
        """Whether the consumer group may be used, asked of the broker that keeps it."""
        name, subject = self._source.group_id, f"group {self._source.group_id}"
        answer = wire.ask(FindCoordinatorRequest, wire.newest(FindCoordinatorRequest, 2), key=name, key_type=0)
        if answer.error_code == _GROUP_FORBIDDEN:
            yield self._no_group(subject, name)
            return
        if answer.error_code in (_COORDINATOR_ABSENT, _COORDINATOR_LOADING):
            yield Line(state="NOTE", subject=subject, text="its broker is being chosen; ask again in a moment")
            return
        at = Address(answer.host, answer.port)
        keeper = wire if at == address else self.enter(at)
        try:
            version = keeper.newest(DescribeGroupsRequest, 4)
            described = keeper.ask(
                DescribeGroupsRequest, version, groups=[name], include_authorized_operations=version >= 3
            )
        finally:
            if keeper is not wire:
                keeper.close()
        found = described.groups[0]
        if found.error_code == _GROUP_FORBIDDEN or not self._allowed(found.authorized_operations, _READ):
            yield self._no_group(subject, name)
            return
        members = len(found.members)
        yield Line(
            state="OK",
            subject=subject,
            text=f"may be used, {members} member{'' if members == 1 else 's'} at the moment",
        )

    def _no_group(self, subject: str, name: str) -> Line:
        return Line(
            state="FIX",
            subject=subject,
            text=f"{self._who()} may not use it; grant it with `{self._grant('read', 'group', name)}`",
        )

    def _allowed(self, rights: set[int] | None, right: int) -> bool:
        """From the set of granted operations; a broker that does not tell (bit 31, or an old one) is believed to allow."""
        return rights is None or right in rights or _NOT_TOLD in rights

    def _who(self) -> str:
        return f"the user {self._security['sasl_plain_username']}" if self._sasl else "this client"

    def _grant(self, verb: str, kind: str, name: str) -> str:
        bootstrap = self._source.bootstrap_servers.split(",")[0].strip()
        user = self._security.get("sasl_plain_username", "ANONYMOUS" if not self._tls else "<name in the certificate>")
        return (
            f"kafka-acls --bootstrap-server {bootstrap} --add --allow-principal User:{user} "
            f"--operation {verb.capitalize()} --{kind} {name}"
        )
