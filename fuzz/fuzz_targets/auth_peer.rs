//! A peer with messages of strangers: it authenticates only clients that have signed, and refused messages change
//! nothing.
//!
//! The first byte selects the state before: nothing, an open handshake, or an authenticated session. In the rest, zero
//! bytes divide messages. `$S` and `$K` in them stand for the server's session nonce and the client's key.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use messagebox::auth::{
    AuthError, AuthMessage, Handled, Identity, Peer, PeerConfig, SharedPayload,
};
use messagebox_fuzz::{cut, memory};

struct Parties {
    server: Arc<Identity>,
    client: Arc<Identity>,
}

static PARTIES: LazyLock<Parties> = LazyLock::new(|| {
    let identity = |byte| Arc::new(Identity::from_bytes([byte; 32]).unwrap());
    Parties {
        server: identity(1 + 1),
        client: identity(3),
    }
});

fn handle(peer: &mut Peer, json: &str) -> Result<Handled, AuthError> {
    peer.handle(&AuthMessage::parse(json)?)
}

fn field(json: &str, name: &str) -> String {
    let tree: serde_json::Value = serde_json::from_str(json).unwrap();
    tree[name].as_str().unwrap().to_owned()
}

fn signed(client: &Peer, text: &'static str) -> String {
    let mut json = String::new();
    client
        .sign(&SharedPayload::new(text.as_bytes()), &mut json)
        .unwrap();
    json
}

fuzz_target!(|data: &[u8]| {
    let Parties { server, client } = &*PARTIES;
    let config = PeerConfig {
        max_sessions: 64,
        ..PeerConfig::default()
    };
    let mut peer = Peer::new(Arc::clone(server), config.clone());
    let mut client = Peer::new(Arc::clone(client), config);
    let (before, rest) = cut::first(data);
    let key = PARTIES.client.identity_key();
    let mut nonce = String::new();
    if before % 3 > 0 {
        let Ok(Handled::Reply(response)) = handle(&mut peer, &client.start_handshake().unwrap())
        else {
            panic!("a handshake is answered");
        };
        nonce = field(&response, "initialNonce");
        assert!(matches!(
            handle(&mut client, &response),
            Ok(Handled::Established(_))
        ));
        assert_eq!(peer.identity(), None);
    }
    let mut used = None;
    if before % 3 > 1 {
        let first = signed(&client, "first");
        assert!(matches!(handle(&mut peer, &first), Ok(Handled::General(_))));
        used = Some(first);
    }
    let proven = peer.identity();
    for piece in cut::pieces(rest).take(32) {
        let Ok(text) = std::str::from_utf8(piece) else {
            continue;
        };
        let text = text.replace("$S", &nonce).replace("$K", &key.to_hex());
        match memory::within(text.len(), 8, || handle(&mut peer, &text)) {
            // The client's private key is unknown here, so no signature can be valid.
            Ok(Handled::Reply(reply)) => {
                assert_eq!(field(&reply, "messageType"), "initialResponse");
                assert!(
                    reply.len() <= text.len() + 1_024,
                    "a reply is no larger than what asked for it"
                );
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert!(error.to_string().len() < 1_024),
        }
        assert_eq!(peer.identity(), proven);
    }
    if before % 3 > 0 {
        let last = signed(&client, "last");
        let Ok(Handled::General(verified)) = handle(&mut peer, &last) else {
            panic!("a session is spoiled by what was refused");
        };
        assert_eq!((verified.identity, &*verified.payload), (key, &b"last"[..]));
        assert_eq!(handle(&mut peer, &last), Err(AuthError::Replayed));
    }
    if let Some(used) = used {
        assert_eq!(handle(&mut peer, &used), Err(AuthError::Replayed));
    }
});
