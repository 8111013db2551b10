"""What Paho for Python does with our broker: `stories.py PORT VERSION STORY`.

Each story prints one line for each thing that it saw happen. Whoever started it judges them.
"""

import queue
import socket
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE = 15  # seconds; a guard, never a pace
VERSIONS = {"3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}


class Peer:
    """A client whose callbacks can be waited for, one at a time."""

    def __init__(self, client_id, keeps_session=False, will=None):
        self.seen = {kind: queue.Queue() for kind in ("connect", "subscribe", "unsubscribe", "publish", "message")}
        self.lost = queue.Queue()
        self.keeps_session = keeps_session
        session = {} if version == mqtt.MQTTv5 else {"clean_session": not keeps_session}
        self.client = mqtt.Client(
            callback_api_version=mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=version,
            reconnect_on_failure=False,
            **session,
        )
        self.client.on_connect = lambda _c, _u, flags, code, _p: self.seen["connect"].put((flags, code))
        self.client.on_subscribe = lambda _c, _u, mid, codes, _p: self.seen["subscribe"].put((mid, codes))
        self.client.on_unsubscribe = lambda _c, _u, mid, codes, _p: self.seen["unsubscribe"].put((mid, codes))
        self.client.on_publish = lambda _c, _u, mid, code, _p: self.seen["publish"].put((mid, code))
        self.client.on_message = lambda _c, _u, message: self.seen["message"].put(message)
        self.client.on_disconnect = lambda _c, _u, _f, code, _p: self.lost.put(code)
        if will:
            self.client.will_set(*will)

    def connect(self):
        more = {}
        if version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600 if self.keeps_session else 0
            more = {"clean_start": not self.keeps_session, "properties": properties}
        self.client.connect("127.0.0.1", port, keepalive=60, **more)
        self.client.loop_start()
        flags, code = self.wait("connect")
        say("connected", code.value, "session present" if flags.session_present else "new session")
        return self

    def subscribe(self, topic_filter, qos):
        _, mid = self.client.subscribe(topic_filter, qos)
        answered, codes = self.wait("subscribe")
        assert answered == mid
        say("subscribed", topic_filter, *[code.value for code in codes])

    def unsubscribe(self, topic_filter):
        _, mid = self.client.unsubscribe(topic_filter)
        answered, _ = self.wait("unsubscribe")
        assert answered == mid
        say("unsubscribed", topic_filter)

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        info = self.client.publish(topic, payload, qos, retain, properties)
        settled, code = self.wait("publish")
        assert settled == info.mid
        say("published", topic, code.value)

    def receive(self):
        message = self.wait("message")
        retained = " retained" if message.retain else ""
        say(f"received {message.topic} {message.qos}{retained}", message.payload.decode() or "cleared")
        return message

    def disconnect(self):
        self.client.disconnect()
        self.gone()

    def vanish(self):
        """Without a word."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.gone()

    def gone(self):
        self.lost.get(timeout=PATIENCE)
        self.client.loop_stop()

    def wait(self, kind):
        try:
            return self.seen[kind].get(timeout=PATIENCE)
        except queue.Empty:
            sys.exit(f"no {kind} in {PATIENCE} s")


def say(*words):
    print(*words, flush=True)


def publish_and_subscribe():
    for qos in (0, 1, 2):
        receiver = Peer(f"receiver-{qos}").connect()
        receiver.subscribe("news/#", qos)
        sender = Peer(f"sender-{qos}").connect()
        for sent in (0, 1, 2):
            sender.publish(f"news/{sent}", f"message at {sent}", sent)
            receiver.receive()
        receiver.unsubscribe("news/#")
        sender.disconnect()
        receiver.disconnect()


def large_and_empty():
    peer = Peer("weights").connect()
    peer.subscribe("weights", 2)
    for qos in (0, 1, 2):
        for length in (0, 65536, 500_000):
            peer.client.publish("weights", b"x" * length, qos)
            peer.wait("publish")
            say(qos, len(peer.wait("message").payload))
    peer.disconnect()


def retained():
    peer = Peer("keeper").connect()
    for qos in (0, 1, 2):
        peer.publish(f"kept/{qos}", f"kept at {qos}", qos, retain=True)
        peer.subscribe(f"kept/{qos}", 2)
        peer.receive()
        peer.publish(f"kept/{qos}", "", qos, retain=True)
        peer.receive()
        peer.subscribe(f"kept/{qos}", 2)
        peer.publish(f"kept/{qos}", "nothing was retained", 0)
        peer.receive()
    peer.disconnect()


def will():
    watcher = Peer("watcher").connect()
    watcher.subscribe("wills/#", 2)
    for qos in (0, 1, 2):
        Peer(f"mortal-{qos}", will=(f"wills/{qos}", f"gone at {qos}", qos)).connect().vanish()
        watcher.receive()
    Peer("polite", will=("wills/polite", "never sent", 1)).connect().disconnect()
    watcher.publish("wills/end", "the polite one left no will", 0)
    watcher.receive()
    watcher.disconnect()


def session():
    sender = Peer("sender").connect()
    for leave in (Peer.disconnect, Peer.vanish):
        name = leave.__name__
        Peer(name).connect().disconnect()  # whatever there was
        away = Peer(name, keeps_session=True).connect()
        away.subscribe(f"{name}/#", 2)
        leave(away)
        for qos in (1, 2):
            sender.publish(f"{name}/{qos}", f"for later at {qos}", qos)
        back = Peer(name, keeps_session=True).connect()
        back.receive()
        back.receive()
        sender.publish(f"{name}/0", "for now", 0)
        back.receive()
        back.disconnect()
    sender.disconnect()


def burst():
    """More than any window holds.

    Nobody does both: Paho takes what it receives at QoS 2 for room in its own window, and then sends more than the broker allows.
    """
    receiver = Peer("receiver").connect()
    receiver.subscribe("burst", 2)
    sender = Peer("sender").connect()
    for qos in (0, 1, 2):
        for number in range(500):
            sender.client.publish("burst", str(number), qos)
        arrived = [int(receiver.wait("message").payload) for _ in range(500)]
        settled = [sender.wait("publish")[1].value for _ in range(500)]
        say(qos, "in order" if arrived == list(range(500)) else arrived, set(settled))
    sender.disconnect()
    receiver.disconnect()


def properties():
    """5.0 only: what a message carries besides its payload."""
    peer = Peer("properties").connect()
    peer.subscribe("properties", 1)
    sent = Properties(PacketTypes.PUBLISH)
    sent.ContentType = "text/plain"
    sent.ResponseTopic = "answers"
    sent.CorrelationData = b"\x00\x01\xff"
    sent.PayloadFormatIndicator = 1
    sent.MessageExpiryInterval = 1000
    sent.UserProperty = [("a", "1"), ("a", "2"), ("b", "")]
    peer.publish("properties", "with everything", 1, properties=sent)
    for name, value in sorted(peer.receive().properties.json().items()):
        say(name, value)
    nobody = Properties(PacketTypes.PUBLISH)
    nobody.TopicAlias = 1
    for topic in ("properties", "", ""):
        peer.client.publish(topic, "by alias", 1, properties=nobody)
        peer.wait("publish")
        peer.receive()
    peer.disconnect()


STORIES = (publish_and_subscribe, large_and_empty, retained, will, session, burst, properties)
port, version = int(sys.argv[1]), VERSIONS[sys.argv[2]]
{story.__name__: story for story in STORIES}[sys.argv[3]]()
