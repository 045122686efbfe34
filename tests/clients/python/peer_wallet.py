"""The wallet that the SDK's Peer asks for: its ProtoWallet with results that have attributes.

The Peer of bsv-sdk 2.4.0 reads `result.signature`; the ProtoWallet of the same release answers with dictionaries.
"""

from types import SimpleNamespace

from bsv.keys import PrivateKey, PublicKey
from bsv.wallet import ProtoWallet


class PeerWallet:
    def __init__(self):
        self.inner = ProtoWallet(PrivateKey())
        self.key = self.inner.public_key.hex()

    def get_public_key(self, args, originator=None):
        return SimpleNamespace(public_key=PublicKey(self.inner.get_public_key(args, originator)["publicKey"]))

    def create_signature(self, args, originator=None):
        return SimpleNamespace(signature=self.inner.create_signature(flat(args), originator)["signature"])

    def verify_signature(self, args, originator=None):
        return SimpleNamespace(valid=self.inner.verify_signature(flat(args), originator).get("valid", False))

    def create_hmac(self, args, originator=None):
        return self.inner.create_hmac(args, originator)

    def verify_hmac(self, args, originator=None):
        return self.inner.verify_hmac(args, originator)

    def list_certificates(self, _args, _originator=None):
        return {"certificates": []}


def flat(args: dict) -> dict:
    """Gives the keys as the wallet reads them."""
    nested = args.get("encryption_args", {})
    names = {"protocol_id": "protocolID", "key_id": "keyID"}
    rest = {name: value for name, value in args.items() if name != "encryption_args"}
    return rest | {names.get(name, name): value for name, value in nested.items()}
