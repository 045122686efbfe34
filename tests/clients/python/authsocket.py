"""An AuthSocket client: the Peer of bsv-sdk over python-socketio."""

import json
import queue
import threading

import socketio
from bsv.auth.auth_message import AuthMessage
from bsv.auth.peer import Peer
from bsv.auth.transports.transport import Transport
from bsv.keys import PublicKey

#: The names on the wire, and those of the SDK.
NAMES = {
    "version": "version",
    "messageType": "message_type",
    "nonce": "nonce",
    "initialNonce": "initial_nonce",
    "yourNonce": "your_nonce",
    "requestedCertificates": "requested_certificates",
}


def to_wire(message: AuthMessage) -> dict:
    frame = {name: getattr(message, field) for name, field in NAMES.items() if getattr(message, field)}
    if "requestedCertificates" in frame:
        frame["requestedCertificates"] = {"certifiers": [], "types": {}}
    frame["identityKey"] = message.identity_key.hex()
    for name in ("payload", "signature"):
        if getattr(message, name) is not None:
            frame[name] = list(getattr(message, name))
    return frame


def from_wire(frame: dict) -> AuthMessage:
    fields = {field: frame[name] for name, field in NAMES.items() if frame.get(name)}
    for name in ("payload", "signature"):
        if frame.get(name) is not None:
            fields[name] = bytes(frame[name])
    return AuthMessage(identity_key=PublicKey(frame["identityKey"]), **fields)


class SocketTransport(Transport):
    def __init__(self, client: socketio.Client):
        self.client = client
        self.errors: list = []

    def send(self, message):
        try:
            self.client.emit("authMessage", to_wire(message))
        except Exception as error:  # The interface asks for the error as a value.
            return error
        return None

    def on_data(self, callback):
        def take(frame):
            error = callback(from_wire(frame))
            if error is not None:
                self.errors.append(error)

        # The peer waits for the answer in the sending thread, so another thread reads frames.
        self.client.on("authMessage", take)
        return None


class AuthSocket:
    def __init__(self, host: str, wallet, key: str, transports=None):
        self.key = key
        self.inbox: dict[str, queue.Queue] = {}
        self.lock = threading.Lock()
        self.client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=1)
        self.transport = SocketTransport(self.client)
        self.wallet = wallet
        self.begin()
        self.client.connect(host, transports=transports, wait_timeout=10)

    def begin(self) -> None:
        """Starts with no session, as a client does that lost its server."""
        self.peer = Peer(self.wallet, self.transport)
        self.peer.listen_for_general_messages(self.take)

    def take(self, _sender, payload) -> None:
        event = json.loads(payload.decode())
        self.events(event["eventName"]).put(event.get("data"))

    def events(self, name: str) -> queue.Queue:
        with self.lock:
            return self.inbox.setdefault(name, queue.Queue())

    def emit(self, name: str, data) -> None:
        payload = json.dumps({"eventName": name, "data": data}, separators=(",", ":")).encode()
        error = self.peer.to_peer(payload, None, 5000)
        if error is not None:
            raise error

    def next(self, name: str, timeout: float = 20):
        try:
            return self.events(name).get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"{name} did not come; errors of the peer: {self.transport.errors}") from None

    def authenticate(self) -> None:
        self.emit("authenticated", {"identityKey": self.key})
        assert self.next("authenticationSuccess") == {"status": "success"}

    def close(self) -> None:
        self.client.disconnect()
