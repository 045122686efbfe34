"""The published Python client: AuthFetch over HTTP, and its Peer over Socket.IO.

Run it with MESSAGEBOX_SERVER set, inside an environment of requirements.txt: python -m unittest -v
"""

import json
import os
import sys
import time
import unittest

from bsv.auth.clients.auth_fetch import AuthFetch, SimplifiedFetchRequestOptions
from bsv.auth.requested_certificate_set import RequestedCertificateSet

from authsocket import AuthSocket
from peer_wallet import PeerWallet
from server import TestServer

# The SDK prints every nonce that it verifies.
sys.stdout = open(os.devnull, "w", encoding="utf-8")


class Party:
    def __init__(self):
        self.wallet = PeerWallet()
        self.key = self.wallet.key

    def fetch(self, host: str) -> "Http":
        return Http(host, self.wallet)

    def socket(self, host: str, transports=None) -> AuthSocket:
        return AuthSocket(host, self.wallet, self.key, transports)

    def room(self, box: str) -> str:
        return f"{self.key}-{box}"


class Http:
    def __init__(self, host: str, wallet):
        self.host = host
        self.client = AuthFetch(wallet, RequestedCertificateSet())

    def request(self, method: str, path: str, body=None):
        headers = {} if body is None else {"content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        response = self.client.fetch(f"{self.host}{path}", SimplifiedFetchRequestOptions(method, headers, data))
        assert response is not None, f"{method} {path} got no verified answer"
        return response.status_code, response.json()

    def post(self, path: str, body):
        return self.request("POST", path, body)

    def send(self, recipient: str, message_id: str, box: str = "inbox"):
        message = {"recipient": recipient, "messageBox": box, "messageId": message_id, "body": message_id}
        status, answer = self.post("/sendMessage", {"message": message})
        assert status == 200, answer
        return answer

    def list(self, box: str = "inbox"):
        status, answer = self.post("/listMessages", {"messageBox": box})
        assert status == 200, answer
        return [(row["messageId"], row["sender"], json.loads(row["body"])["message"]) for row in answer["messages"]]


class Clients(unittest.TestCase):
    def setUp(self):
        self.server = TestServer(AUTH_REVIVAL_DELAY="300ms")
        self.addCleanup(self.server.stop)

    def socket(self, party: Party, transports=None) -> AuthSocket:
        socket = party.socket(self.server.host, transports)
        self.addCleanup(socket.close)
        return socket

    def test_auth_fetch_sends_lists_and_acknowledges(self):
        alice, bob = Party(), Party()
        from_alice, from_bob = alice.fetch(self.server.host), bob.fetch(self.server.host)
        from_alice.send(bob.key, "1")
        self.assertEqual(from_bob.list(), [("1", alice.key, "1")])
        self.assertEqual(from_alice.list(), [])
        self.assertEqual(from_bob.post("/acknowledgeMessage", {"messageIds": ["1"]})[0], 200)
        self.assertEqual(from_bob.list(), [])
        status, answer = from_bob.post("/acknowledgeMessage", {"messageIds": ["1"]})
        self.assertEqual((status, answer["code"]), (400, "ERR_INVALID_ACKNOWLEDGMENT"))

    def test_auth_fetch_reads_queries_and_errors(self):
        alice, bob = Party(), Party()
        client = alice.fetch(self.server.host)
        status, answer = client.request("GET", f"/permissions/quote?recipient={bob.key}&messageBox=notifications")
        self.assertEqual((status, answer["quote"]), (200, {"deliveryFee": 10, "recipientFee": 10}))
        self.assertEqual(client.request("GET", "/devices")[1]["devices"], [])
        status, answer = client.post("/sendMessage", {})
        self.assertEqual((status, answer["code"]), (400, "ERR_MESSAGE_REQUIRED"))

    def test_auth_fetch_goes_on_after_a_crash_of_the_server(self):
        alice, bob = Party(), Party()
        from_alice, from_bob = alice.fetch(self.server.host), bob.fetch(self.server.host)
        from_alice.send(bob.key, "before")
        self.assertEqual(len(from_bob.list()), 1)
        self.server.restart()
        from_alice.send(bob.key, "after")
        self.assertEqual([row[0] for row in from_bob.list()], ["before", "after"])

    def converse(self, transports):
        alice, bob = Party(), Party()
        at_alice, at_bob = self.socket(alice, transports), self.socket(bob, transports)
        for party, socket in ((alice, at_alice), (bob, at_bob)):
            socket.authenticate()
            socket.emit("joinRoom", party.room("inbox"))
            self.assertEqual(socket.next("joinedRoom"), {"roomId": party.room("inbox")})
        for sender, socket, recipient, other in ((alice, at_alice, bob, at_bob), (bob, at_bob, alice, at_alice)):
            room = recipient.room("inbox")
            for n in range(10):
                message = {"messageId": f"{n}", "recipient": recipient.key, "body": f"live {n}"}
                socket.emit("sendMessage", {"roomId": room, "message": message})
            # python-engineio gives each frame to a thread of its own, so events reach the client in any order.
            acks = sorted((socket.next(f"sendMessageAck-{room}") for _ in range(10)), key=lambda ack: ack["messageId"])
            self.assertEqual(acks, [{"status": "success", "messageId": f"{n}"} for n in range(10)])
            pushed = sorted(
                (event["messageId"], event["sender"], event["body"])
                for event in (other.next(f"sendMessage-{room}") for _ in range(10))
            )
            self.assertEqual(pushed, [(f"{n}", sender.key, f"live {n}") for n in range(10)])
        self.assertEqual((at_alice.transport.errors, at_bob.transport.errors), ([], []))

    def test_sockets_converse_by_polling(self):
        self.converse(["polling"])

    def test_sockets_converse_by_websocket(self):
        self.converse(["websocket"])

    def test_sockets_converse_by_polling_and_upgrade(self):
        self.converse(["polling", "websocket"])

    def test_a_socket_is_served_again_after_a_crash_of_the_server(self):
        alice, bob = Party(), Party()
        listener = self.socket(bob)
        listener.authenticate()
        listener.emit("joinRoom", bob.room("inbox"))
        listener.next("joinedRoom")
        connected = listener.client.eio.sid
        self.server.restart()
        deadline = time.monotonic() + 20
        while not listener.client.connected or listener.client.eio.sid == connected:
            self.assertLess(time.monotonic(), deadline, "the client did not connect again")
            time.sleep(0.05)
        # The server starts a handshake with a silent socket. An application may also start anew.
        listener.begin()
        listener.authenticate()
        sender = alice.fetch(self.server.host)
        for n in range(5):
            sender.send(bob.key, f"after {n}")
        for n in range(5):
            self.assertEqual(listener.next(f"sendMessage-{bob.room('inbox')}")["body"], f"after {n}")

    def test_what_was_sent_live_is_listed(self):
        alice, bob = Party(), Party()
        socket = self.socket(alice)
        socket.authenticate()
        room = bob.room("chat-room-1")
        message = {"messageId": "1", "recipient": bob.key, "body": "for later"}
        socket.emit("sendMessage", {"roomId": room, "message": message})
        self.assertEqual(socket.next(f"sendMessageAck-{room}")["status"], "success")
        self.assertEqual(bob.fetch(self.server.host).list("chat-room-1"), [("1", alice.key, "for later")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
