//! A genuine signed message with a few changed bytes: the peer accepts only changes that leave its meaning the same.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use messagebox::auth::{AuthMessage, Handled, Identity, Peer, PeerConfig, SharedPayload};
use messagebox_fuzz::cut;

static IDENTITIES: LazyLock<[Arc<Identity>; 2]> =
    LazyLock::new(|| [2, 3].map(|byte| Arc::new(Identity::from_bytes([byte; 32]).unwrap())));

fuzz_target!(|data: &[u8]| {
    let [server, client] = &*IDENTITIES;
    let mut peer = Peer::new(Arc::clone(server), PeerConfig::default());
    let mut client = Peer::new(Arc::clone(client), PeerConfig::default());
    let request = client.start_handshake().unwrap();
    let Ok(Handled::Reply(response)) = peer.handle(&AuthMessage::parse(&request).unwrap()) else {
        panic!("a handshake is answered");
    };
    client
        .handle(&AuthMessage::parse(&response).unwrap())
        .unwrap();
    let (length, rest) = cut::first(data);
    let (payload, edits) = rest.split_at(rest.len().min(length.into()));
    let mut json = String::new();
    client
        .sign(&SharedPayload::new(payload.to_vec()), &mut json)
        .unwrap();
    let genuine = AuthMessage::parse(&json).unwrap();

    // Each edit: its position, the number of bytes that it replaces, and the new bytes.
    let mut changed = json.clone().into_bytes();
    for edit in edits.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % changed.len();
        let end = (at + usize::from(edit[2] % 3)).min(changed.len());
        changed.splice(at..end, [edit[3]]);
    }
    let Ok(changed) = String::from_utf8(changed) else {
        return;
    };
    let Ok(forged) = AuthMessage::parse(&changed) else {
        return;
    };
    let same = forged.kind == genuine.kind
        && forged
            .identity_key
            .eq_ignore_ascii_case(&genuine.identity_key)
        && forged.nonce == genuine.nonce
        && forged.your_nonce == genuine.your_nonce
        && forged.payload == genuine.payload;
    match peer.handle(&forged) {
        Ok(Handled::General(verified)) => {
            assert!(same, "a forgery was taken");
            assert_eq!(&*verified.payload, payload);
        }
        Ok(Handled::Reply(_)) => assert_eq!(peer.identity(), None),
        Ok(other) => panic!("{other:?}"),
        Err(_) => {
            assert!(
                !same || forged.signature != genuine.signature,
                "a genuine message was refused"
            );
            assert_eq!(peer.identity(), None);
            assert!(matches!(peer.handle(&genuine), Ok(Handled::General(_))));
        }
    }
});
