//! Two peers without a network, golden vectors, and every way in which a frame can be wrong.

use serde_json::{Value, json};

use super::*;
use crate::auth::{Counterparty, KeyId, Protocol, Session};

fn identity(last_byte: u8) -> Arc<Identity> {
    let mut bytes = [0; 32];
    bytes[31] = last_byte;
    Arc::new(Identity::from_bytes(bytes).unwrap())
}

fn peer(last_byte: u8) -> Peer {
    Peer::new(identity(last_byte), PeerConfig::default())
}

fn handle(peer: &mut Peer, json: &str) -> Result<Handled, AuthError> {
    peer.handle(&AuthMessage::parse(json)?)
}

fn sign(peer: &Peer, payload: &str) -> String {
    let mut json = String::new();
    let payload = SharedPayload::new(payload.as_bytes().to_vec());
    peer.sign(&payload, &mut json).unwrap();
    json
}

/// A client and a server that have shaken hands; the client has not yet proven itself.
fn pair() -> (Peer, Peer) {
    let (mut client, mut server) = (peer(11), peer(5));
    let request = client.start_handshake().unwrap();
    let Handled::Reply(response) = handle(&mut server, &request).unwrap() else {
        panic!("an initialRequest is answered");
    };
    let server_key = server.identity.identity_key();
    assert_eq!(
        handle(&mut client, &response),
        Ok(Handled::Established(server_key))
    );
    (client, server)
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with results")]
fn verified(signer: u8, payload: &str) -> Result<Handled, AuthError> {
    Ok(Handled::General(Verified {
        identity: identity(signer).identity_key(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }))
}

/// Changes one field of a message.
fn with(json: &str, field: &str, value: Value) -> String {
    let mut message: Value = serde_json::from_str(json).unwrap();
    message[field] = value;
    message.to_string()
}

fn without(json: &str, field: &str) -> String {
    let mut message: Value = serde_json::from_str(json).unwrap();
    message.as_object_mut().unwrap().remove(field);
    message.to_string()
}

#[test]
fn a_handshake_proves_the_responder_and_the_first_message_the_initiator() {
    let (mut client, mut server) = pair();
    assert_eq!(client.identity(), Some(identity(5).identity_key()));
    assert_eq!(server.identity(), None);
    let mut nothing = String::new();
    let early = server.sign(&SharedPayload::new("early"), &mut nothing);
    assert_eq!(
        (early, nothing.as_str()),
        (Err(AuthError::NotEstablished), "")
    );
    let hello = sign(&client, "hello");
    assert_eq!(handle(&mut server, &hello), verified(11, "hello"));
    assert_eq!(server.identity(), Some(identity(11).identity_key()));
    let answer = sign(&server, "welcome");
    assert_eq!(handle(&mut client, &answer), verified(5, "welcome"));
}

#[test]
fn messages_have_the_fields_and_the_order_of_the_sdks() {
    let (client, mut server) = pair();
    let hello = sign(&client, "hi");
    handle(&mut server, &hello).unwrap();
    let keys = |json: &str| {
        let start: Vec<usize> = [
            "version",
            "messageType",
            "identityKey",
            "nonce",
            "initialNonce",
            "yourNonce",
            "requestedCertificates",
            "payload",
            "signature",
        ]
        .iter()
        .filter_map(|name| json.find(&format!("\"{name}\":")))
        .collect();
        assert!(start.is_sorted(), "{json}");
        start.len()
    };
    assert_eq!(keys(&hello), 7);
    let mut client = peer(11);
    let request = client.start_handshake().unwrap();
    assert_eq!(keys(&request), 5);
    let Handled::Reply(response) = handle(&mut server, &request).unwrap() else {
        panic!("an initialRequest is answered");
    };
    assert_eq!(keys(&response), 7);
    let nonce: Value = serde_json::from_str(&hello).unwrap();
    assert_eq!(nonce["nonce"].as_str().unwrap().len(), 44);
    assert_eq!(nonce["yourNonce"].as_str().unwrap().len(), 64);
}

#[test]
fn the_initial_response_is_the_golden_one() {
    let client_nonce = identity(11).create_nonce(*b"0123456789:;<=>?").unwrap();
    assert_eq!(
        client_nonce,
        "MDEyMzQ1Njc4OTo7PD0+P2RXFNzpN/Uuee3wbjn8sOufzwLo+x5u0QOQmi78E0KK"
    );
    let server_nonce = identity(5).create_nonce(*b"ABCDEFGHIJKLMNOP").unwrap();
    assert_eq!(
        server_nonce,
        "QUJDREVGR0hJSktMTU5PUCNZnEWQVoCquX0+87cMWjv6VTeHUUh89SUS8X2A7ufO"
    );
    let signature = hex::decode("30440220580ecf42fccf7fca46c07e00d30f05a1890be9f47caaae11b9ec1a01402bad0c02206ec2c99ef7234c1df73b94dccd6cfca4b594be10342c9ff92c73215c87d9da0d").unwrap();
    let response = json!({
        "version": "0.1",
        "messageType": "initialResponse",
        "identityKey": identity(5).identity_key().to_hex(),
        "initialNonce": server_nonce,
        "yourNonce": client_nonce,
        "signature": signature,
    });
    let mut client = peer(11);
    client.initiated = Some(client_nonce);
    let handled = handle(&mut client, &response.to_string());
    assert_eq!(
        handled,
        Ok(Handled::Established(identity(5).identity_key()))
    );
}

#[test]
fn nonces_are_the_golden_ones_and_only_our_own_verify() {
    let random: [u8; 16] = std::array::from_fn(|index| 0xf0 + u8::try_from(index).unwrap());
    let nonce = identity(5).create_nonce(random).unwrap();
    assert_eq!(
        nonce,
        "8PHy8/T19vf4+fr7/P3+/xZZJ+ANdV3RUrNCairijtv71J8Q+CayU+GQnBHA5pAs"
    );
    assert_eq!(identity(5).verify_nonce(&nonce), Ok(()));
    assert_eq!(identity(11).verify_nonce(&nonce), Err(AuthError::Nonce));
    assert_eq!(identity(5).verify_nonce("AAAA"), Err(AuthError::Nonce));
}

/// Nodes of another release have to agree on them.
#[test]
fn session_nonces_have_one_form_and_only_our_own_are_recognized() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let ours = identity(5).new_session_nonce().unwrap();
    let bytes = STANDARD.decode(&ours).unwrap();
    assert_eq!((ours.len(), bytes.len()), (64, 48));
    assert_ne!(identity(5).new_session_nonce().unwrap(), ours);
    assert!(identity(5).is_own_session_nonce(&ours));
    assert!(!identity(11).is_own_session_nonce(&ours));
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert!(!identity(5).is_own_session_nonce(&STANDARD.encode(changed)));
    }
    let longer = STANDARD.encode([bytes.as_slice(), &[0; 3]].concat());
    let shorter = STANDARD.encode([7; 45]);
    for other in ["", "AAAA", &shorter, &longer] {
        assert!(!identity(5).is_own_session_nonce(other), "{other}");
    }
    let prefix = identity(5).create_nonce(*b"ABCDEFGHIJKLMNOP").unwrap();
    assert!(!identity(5).is_own_session_nonce(&prefix));
    let golden = "CTk7AKc6UGsPCixmfGNM67u8xwlzxmGFo1W+o0stqawYn+HMGe3XC/5dR/P72ZqU";
    assert!(identity(5).is_own_session_nonce(golden));
}

#[test]
fn keys_and_signatures_are_the_golden_ones() {
    let (server, client) = (identity(5), identity(11));
    let other = Counterparty::Other(client.identity_key());
    let keys = server.pair(other).unwrap();
    let client_nonce = "MDEyMzQ1Njc4OTo7PD0+P2RXFNzpN/Uuee3wbjn8sOufzwLo+x5u0QOQmi78E0KK";
    let server_nonce = "QUJDREVGR0hJSktMTU5PUCNZnEWQVoCquX0+87cMWjv6VTeHUUh89SUS8X2A7ufO";
    let key_id = KeyId::Pair(client_nonce, server_nonce);
    let derived = keys.private_key(&Protocol::AUTH_SIGNATURE, key_id).unwrap();
    assert_eq!(
        hex::encode(derived.secret_bytes()),
        "8483a56f0852fc2ea6a5dff4024d3933425000d101a848460f5e16920e8e7359"
    );
    let seen = client
        .pair(Counterparty::Other(server.identity_key()))
        .unwrap();
    let public = seen
        .counterparty_key(&Protocol::AUTH_SIGNATURE, key_id)
        .unwrap();
    assert_eq!(
        hex::encode(public.serialize()),
        "025154454cdf9e429ba40849aea55baeb36c280d141bf2efa2fada293e359fd761"
    );
    let symmetric = server
        .pair(Counterparty::Own)
        .unwrap()
        .symmetric_key(&Protocol::SERVER_HMAC, KeyId::One("ABCDEFGHIJKLMNOP"))
        .unwrap();
    assert_eq!(
        hex::encode(symmetric),
        "fdc0458f4c3792d12bbdb36fb7e8b02339fac7a6b0fb728d72da657f6e23d91f"
    );
    let payload = SharedPayload::new(
        &br#"{"eventName":"authenticationSuccess","data":{"status":"success"}}"#[..],
    );
    let response_nonce = "YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=";
    let general = keys
        .sign(
            &Protocol::AUTH_SIGNATURE,
            KeyId::Pair(response_nonce, client_nonce),
            payload.digest(),
        )
        .unwrap();
    assert_eq!(
        hex::encode(&*general),
        "30450221009842531113076c7b92fb17df5ac769f44b2d3fd15aecc39730423a4446393b67022072e53d0470b3bccae82691ac18b0bde152e271d5059182238b546b9ec4453ef5"
    );
}

#[test]
fn message_ids_and_payment_keys_of_the_clients_are_the_golden_ones() {
    let client = identity(11);
    let keys = client
        .pair(Counterparty::Other(identity(5).identity_key()))
        .unwrap();
    let protocol = Protocol::new(1, "messagebox").unwrap();
    let id = keys
        .hmac(&protocol, KeyId::One("1"), br#""hello""#)
        .unwrap();
    assert_eq!(
        hex::encode(id),
        "a4e9325d1a0be6de1c1c4a93c9ca4c01ce13fe4086a3829fb198eb07d72205c0"
    );
    let payments = Protocol::new(2, "3241645161d8").unwrap();
    let expected = "03f2979be1eda47b43c7644c27d0f62b33558681a3f39eef26dd7b473e4ef1b603";
    let candidates = [(5_u8, 11_u8), (11, 5)].map(|(own, other)| {
        let keys = identity(own)
            .pair(Counterparty::Other(identity(other).identity_key()))
            .unwrap();
        hex::encode(
            keys.counterparty_key(&payments, KeyId::One("p s"))
                .unwrap()
                .serialize(),
        )
    });
    assert!(
        candidates.iter().any(|key| key == expected),
        "{candidates:?}"
    );
}

#[test]
fn protocol_names_follow_brc_43() {
    assert_eq!(Protocol::new(2, " Server HMAC "), Ok(Protocol::SERVER_HMAC));
    for (level, name) in [
        (3, "messagebox"),
        (1, "abcd"),
        (1, "two  spaces"),
        (1, "a protocol"),
        (1, "ünder"),
    ] {
        assert!(Protocol::new(level, name).is_err(), "{name}");
    }
}

#[test]
fn either_side_may_begin() {
    let (mut client, mut server) = pair();
    handle(&mut server, &sign(&client, "hello")).unwrap();
    let request = server.start_handshake().unwrap();
    let Handled::Reply(response) = handle(&mut client, &request).unwrap() else {
        panic!("an initialRequest is answered");
    };
    let client_key = identity(11).identity_key();
    assert_eq!(
        handle(&mut server, &response),
        Ok(Handled::Established(client_key))
    );
    let answer = sign(&server, "on the new session");
    assert_eq!(
        handle(&mut client, &answer),
        verified(5, "on the new session")
    );
}

#[test]
fn an_unsolicited_or_repeated_initial_response_is_refused() {
    let (mut client, mut server) = (peer(11), peer(5));
    let request = client.start_handshake().unwrap();
    let Handled::Reply(response) = handle(&mut server, &request).unwrap() else {
        panic!("an initialRequest is answered");
    };
    let refused = handle(&mut peer(11), &response);
    assert!(
        matches!(refused, Err(AuthError::UnknownSession { .. })),
        "{refused:?}"
    );
    handle(&mut client, &response).unwrap();
    let again = handle(&mut client, &response);
    assert!(
        matches!(again, Err(AuthError::UnknownSession { .. })),
        "{again:?}"
    );
}

#[test]
fn a_forged_initial_response_proves_nobody() {
    let (mut client, mut server) = (peer(11), peer(5));
    let request = client.start_handshake().unwrap();
    let Handled::Reply(response) = handle(&mut server, &request).unwrap() else {
        panic!("an initialRequest is answered");
    };
    let claimed = with(
        &response,
        "identityKey",
        json!(identity(7).identity_key().to_hex()),
    );
    assert_eq!(handle(&mut client, &claimed), Err(AuthError::Signature));
    let other_nonce = with(&response, "initialNonce", json!("AAAA"));
    assert_eq!(handle(&mut client, &other_nonce), Err(AuthError::Signature));
    assert_eq!(client.identity(), None);
    assert!(handle(&mut client, &response).is_ok());
}

#[test]
fn a_reflected_handshake_does_not_make_anybody_us() {
    let mut server = peer(5);
    let request = server.start_handshake().unwrap();
    assert_eq!(handle(&mut server, &request), Err(AuthError::Reflected));
    assert_eq!(server.identity(), None);
}

#[test]
fn a_general_message_that_is_wrong_changes_nothing() {
    let (client, mut server) = pair();
    let good = sign(&client, "good");
    let mut signature: Vec<u8> =
        serde_json::from_value(serde_json::from_str::<Value>(&good).unwrap()["signature"].clone())
            .unwrap();
    *signature.last_mut().unwrap() ^= 1;
    let elsewhere = identity(5).create_nonce([9; 16]).unwrap();
    let cases = [
        (with(&good, "version", json!("1.0")), "Received: 1.0"),
        (without(&good, "version"), "Received: undefined"),
        (
            with(&good, "messageType", json!("generally")),
            "unknown message type",
        ),
        (without(&good, "identityKey"), "Missing required fields"),
        (without(&good, "nonce"), "Missing required fields"),
        (without(&good, "yourNonce"), "Missing required fields"),
        (without(&good, "payload"), "Missing required fields"),
        (without(&good, "signature"), "Missing required fields"),
        (with(&good, "nonce", json!("")), "Missing required fields"),
        (with(&good, "payload", json!("text")), "Malformed"),
        (with(&good, "payload", json!([1, 256])), "Malformed"),
        (with(&good, "payload", json!([1, 2])), "Signature"),
        (with(&good, "signature", json!(signature)), "Signature"),
        (with(&good, "signature", json!([])), "Signature"),
        (with(&good, "signature", json!([48, 1])), "Signature"),
        (with(&good, "nonce", json!("AAAA")), "Signature"),
        (with(&good, "nonce", json!("x".repeat(9_999))), "nonce"),
        (
            with(&good, "yourNonce", json!(elsewhere)),
            "Session not found",
        ),
        (
            with(
                &good,
                "identityKey",
                json!(identity(7).identity_key().to_hex()),
            ),
            "not the session's",
        ),
        (
            with(&good, "identityKey", json!("nonsense")),
            "not the session's",
        ),
        ("[]".to_owned(), "Malformed"),
        (
            json!(["0.1", "general", client.own_key, null, null, null]).to_string(),
            "Malformed",
        ),
        (String::new(), "Malformed"),
    ];
    for (json, expected) in cases {
        let error = handle(&mut server, &json).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} for {json}");
        assert_eq!(server.identity(), None, "{json}");
    }
    assert_eq!(handle(&mut server, &good), verified(11, "good"));
}

#[test]
fn a_replay_is_refused_and_so_is_a_reflection() {
    let (mut client, mut server) = pair();
    let hello = sign(&client, "hello");
    handle(&mut server, &hello).unwrap();
    assert_eq!(handle(&mut server, &hello), Err(AuthError::Replayed));
    let answer = sign(&server, "answer");
    let reflected = handle(&mut server, &answer);
    assert!(
        matches!(reflected, Err(AuthError::UnknownSession { .. })),
        "{reflected:?}"
    );
    assert_eq!(handle(&mut client, &answer), verified(5, "answer"));
}

#[test]
fn a_frame_of_another_session_is_refused() {
    let (client, _) = pair();
    let (other_client, mut other_server) = pair();
    let foreign = sign(&client, "hello");
    let refused = handle(&mut other_server, &foreign);
    assert!(
        matches!(refused, Err(AuthError::UnknownSession { .. })),
        "{refused:?}"
    );
    let own = sign(&other_client, "hello");
    assert_eq!(handle(&mut other_server, &own), verified(11, "hello"));
}

#[test]
fn a_socket_that_proved_one_identity_takes_no_other() {
    let (client, mut server) = pair();
    handle(&mut server, &sign(&client, "hello")).unwrap();
    let request = peer(7).start_handshake().unwrap();
    assert_eq!(
        handle(&mut server, &request),
        Err(AuthError::IdentityMismatch)
    );
    assert_eq!(
        handle(&mut server, &sign(&client, "still me")),
        verified(11, "still me")
    );
}

#[test]
fn handshakes_that_were_begun_by_two_end_with_the_first_that_proves_itself() {
    let mut server = peer(5);
    let mut clients = [peer(11), peer(7)];
    for client in &mut clients {
        let request = client.start_handshake().unwrap();
        let Handled::Reply(response) = handle(&mut server, &request).unwrap() else {
            panic!("an initialRequest is answered");
        };
        handle(client, &response).unwrap();
    }
    let [first, second] = clients;
    assert_eq!(handle(&mut server, &sign(&first, "me")), verified(11, "me"));
    assert_eq!(
        handle(&mut server, &sign(&second, "me too")),
        Err(AuthError::IdentityMismatch)
    );
}

#[test]
fn handshakes_are_bounded_and_the_session_in_use_stays() {
    let (mut client, mut server) = pair();
    handle(&mut server, &sign(&client, "hello")).unwrap();
    for _ in 0..20 {
        handle(&mut server, &peer(11).start_handshake().unwrap()).unwrap();
        assert!(server.entries.len() <= server.config.max_sessions);
    }
    assert_eq!(
        handle(&mut server, &sign(&client, "still here")),
        verified(11, "still here")
    );
    let answer = sign(&server, "and heard");
    assert_eq!(handle(&mut client, &answer), verified(5, "and heard"));
}

#[test]
fn a_lost_sockets_session_is_adopted_only_for_its_own_identity() {
    let (mut client, mut lost) = pair();
    handle(&mut lost, &sign(&client, "hello")).unwrap();
    let late = sign(&client, "late");
    let mut sessions: Vec<Session> = lost.into_authenticated_sessions();
    let session = sessions.pop().unwrap();

    let (stranger, mut other) = {
        let (mut stranger, mut server) = (peer(7), peer(5));
        let request = server.start_handshake().unwrap();
        let Handled::Reply(response) = handle(&mut stranger, &request).unwrap() else {
            panic!("an initialRequest is answered");
        };
        handle(&mut server, &response).unwrap();
        (stranger, server)
    };
    assert_eq!(other.adopt(session), Err(AuthError::IdentityMismatch));
    assert!(handle(&mut other, &late).is_err());
    drop(stranger);

    let (mut again, mut lost) = pair();
    handle(&mut lost, &sign(&again, "hello")).unwrap();
    let late = sign(&again, "late");
    let mut server = peer(5);
    let request = server.start_handshake().unwrap();
    let Handled::Reply(response) = handle(&mut again, &request).unwrap() else {
        panic!("an initialRequest is answered");
    };
    handle(&mut server, &response).unwrap();
    server
        .adopt(lost.into_authenticated_sessions().pop().unwrap())
        .unwrap();
    assert_eq!(handle(&mut server, &late), verified(11, "late"));
    assert_eq!(handle(&mut server, &late), Err(AuthError::Replayed));
    let answer = sign(&server, "on the new session");
    let named: Value = serde_json::from_str(&answer).unwrap();
    assert_ne!(
        named["yourNonce"],
        serde_json::from_str::<Value>(&late).unwrap()["yourNonce"]
    );
    assert_eq!(
        handle(&mut again, &answer),
        verified(5, "on the new session")
    );
    drop(client.start_handshake());
}

#[test]
fn certificate_messages_are_verified_over_the_text_that_came() {
    let (client, mut server) = pair();
    let session = &client.entries[0].session;
    let made = |kind: MessageType, field: &str, raw: &str, signed: &str| {
        let nonce = message_nonce();
        let signature = session.sign(&nonce, &sha256(signed.as_bytes())).unwrap();
        let mut json = String::new();
        MessageWriter::begin(&mut json, kind, &client.own_key)
            .text("nonce", &nonce)
            .text("initialNonce", session.own_nonce())
            .text("yourNonce", session.peer_nonce())
            .raw(field, raw)
            .signature(&signature);
        json
    };
    let request = r#"{"types":{"b":["x"],"a":[]},"certifiers":[]}"#;
    let json = made(
        MessageType::CertificateRequest,
        "requestedCertificates",
        request,
        request,
    );
    assert_eq!(
        handle(&mut server, &json),
        Ok(Handled::CertificatesRequested(request.to_owned()))
    );
    let certificates = r#"[{"type":"t"}]"#;
    let json = made(
        MessageType::CertificateResponse,
        "certificates",
        certificates,
        certificates,
    );
    assert_eq!(
        handle(&mut server, &json),
        Ok(Handled::Certificates(certificates.to_owned()))
    );
    let forged = made(
        MessageType::CertificateResponse,
        "certificates",
        "[]",
        certificates,
    );
    assert_eq!(handle(&mut server, &forged), Err(AuthError::Signature));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_parsing_panic(text in ".{0,200}") {
        let _ = AuthMessage::parse(&text).map(|message| peer(5).handle(&message));
    }

    #[test]
    fn any_payload_arrives(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..500)) {
        let (client, mut server) = pair();
        let mut json = String::new();
        client.sign(&SharedPayload::new(payload.clone()), &mut json).unwrap();
        let Handled::General(verified) = handle(&mut server, &json).unwrap() else {
            panic!("a general message is verified");
        };
        proptest::prop_assert_eq!(verified.payload, payload);
    }
}

/// A client and a server with these bounds; the client has proven itself.
fn bounded(config: PeerConfig) -> (Peer, Peer) {
    let (mut client, mut server) = (peer(11), Peer::new(identity(5), config));
    let request = client.start_handshake().unwrap();
    let Ok(Handled::Reply(response)) = handle(&mut server, &request) else {
        panic!("an initialRequest is answered");
    };
    handle(&mut client, &response).unwrap();
    handle(&mut server, &sign(&client, "first")).unwrap();
    (client, server)
}

/// The server begins a new session, and the client takes part.
fn renew(server: &mut Peer, client: &mut Peer, until: Instant) {
    let request = server.start_handshake().unwrap();
    let Ok(Handled::Reply(response)) = handle(client, &request) else {
        panic!("an initialRequest is answered");
    };
    let established = handle(server, &response);
    assert!(matches!(established, Ok(Handled::Established(_))));
    server.retire_older(until);
}

/// Which of its sessions a message is for.
fn session(json: &str) -> String {
    let message: Value = serde_json::from_str(json).unwrap();
    message["yourNonce"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_needs_renewal_before_either_end_runs_out_of_nonces() {
    let (client, mut server) = bounded(PeerConfig {
        renew_after_received: 30,
        ..PeerConfig::default()
    });
    for _ in 1..30 {
        assert!(!server.needs_renewal());
        handle(&mut server, &sign(&client, "more")).unwrap();
    }
    assert!(server.needs_renewal());
    let (_, server) = bounded(PeerConfig {
        renew_after_signed: 3,
        ..PeerConfig::default()
    });
    for _ in 0..3 {
        assert!(!server.needs_renewal());
        sign(&server, "ours");
    }
    assert!(server.needs_renewal());
    // What clients and servers remember by default.
    let config = PeerConfig::default();
    assert!(config.renew_after_received < 4_000 && config.renew_after_signed < 90_000);
}

#[test]
fn everything_is_signed_in_the_newest_session_and_the_old_one_verifies_for_a_while() {
    let (mut client, mut server) = bounded(PeerConfig::default());
    let old = session(&sign(&server, "old"));
    let (late, later) = (sign(&client, "late"), sign(&client, "later"));
    let (start, until) = (
        Instant::now(),
        Instant::now() + std::time::Duration::from_secs(60),
    );
    renew(&mut server, &mut client, until);
    assert!(!server.needs_renewal());
    let first = sign(&server, "first word");
    let new = session(&first);
    assert_ne!(new, old);
    assert_eq!(handle(&mut client, &first), verified(5, "first word"));
    server.forget_retired(start);
    assert_eq!(handle(&mut server, &late), verified(11, "late"));
    // What came in the old session does not bring it back.
    assert_eq!(session(&sign(&server, "answer")), new);
    server.forget_retired(until);
    let unknown = handle(&mut server, &later);
    assert!(matches!(unknown, Err(AuthError::UnknownSession { .. })));
    assert_eq!(
        handle(&mut server, &sign(&client, "new")),
        verified(11, "new")
    );
    assert_eq!(server.into_authenticated_sessions().len(), 1);
}

#[test]
fn no_nonce_is_forgotten_a_full_session_takes_no_more() {
    let (client, mut server) = bounded(PeerConfig {
        max_seen_nonces: 4,
        ..PeerConfig::default()
    });
    let first = sign(&client, "once");
    assert_eq!(handle(&mut server, &first), verified(11, "once"));
    for _ in 0..2 {
        assert!(!server.is_exhausted());
        handle(&mut server, &sign(&client, "more")).unwrap();
    }
    assert!(server.is_exhausted());
    let more = handle(&mut server, &sign(&client, "too much"));
    assert!(matches!(more, Err(AuthError::UnknownSession { .. })));
    assert_eq!(handle(&mut server, &first), Err(AuthError::Replayed));
}

#[test]
fn no_message_nonce_is_used_twice() {
    let (_, server) = bounded(PeerConfig::default());
    let nonces: std::collections::HashSet<String> = (0..200)
        .map(|_| {
            let message: Value = serde_json::from_str(&sign(&server, "the same")).unwrap();
            message["nonce"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(nonces.len(), 200);
}
