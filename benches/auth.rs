//! The cost of a BRC-103 signature and its verification, against bare libsecp256k1 in the same run.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use messagebox::auth::{
    AuthMessage, Handled, Identity, Peer, PeerConfig, Session, SharedPayload, sha256,
};
use secp256k1::{Message, PublicKey, Secp256k1, SecretKey};

const PAYLOAD: usize = 420;

/// A client and a server after their handshake.
fn pair() -> (Peer, Peer) {
    let peer = || Peer::new(Arc::new(Identity::random()), PeerConfig::default());
    let (mut client, mut server) = (peer(), peer());
    let request = client.start_handshake().unwrap();
    let Handled::Reply(response) = server
        .handle(&AuthMessage::parse(&request).unwrap())
        .unwrap()
    else {
        return (client, server);
    };
    client
        .handle(&AuthMessage::parse(&response).unwrap())
        .unwrap();
    let mut first = String::new();
    client
        .sign(&SharedPayload::new("hello"), &mut first)
        .unwrap();
    server.handle(&AuthMessage::parse(&first).unwrap()).unwrap();
    (client, server)
}

/// The shortest of many short timings, which a noisy machine disturbs least.
fn best(mut work: impl FnMut()) -> Duration {
    let turn = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..50 {
            work();
        }
        start.elapsed() / 50
    };
    (0..100).map(|_| turn(&mut work)).min().unwrap_or_default()
}

fn costs(criterion: &mut Criterion) {
    let curve = Secp256k1::new();
    let secret = SecretKey::from_byte_array([7; 32]).unwrap();
    let public = PublicKey::from_secret_key(&curve, &secret);
    let message = Message::from_digest(sha256(&[1; PAYLOAD]));
    let signature = curve.sign_ecdsa(message, &secret);
    let (client, mut server) = pair();
    let payload = SharedPayload::new(vec![1; PAYLOAD]);
    let mut out = String::with_capacity(4096);

    criterion.bench_function("secp256k1 sign", |bench| {
        bench.iter(|| curve.sign_ecdsa(black_box(message), &secret));
    });
    criterion.bench_function("peer sign", |bench| {
        bench.iter(|| {
            out.clear();
            client.sign(black_box(&payload), &mut out).unwrap();
        });
    });
    criterion.bench_function("secp256k1 verify", |bench| {
        bench.iter(|| {
            curve
                .verify_ecdsa(black_box(message), &signature, &public)
                .unwrap();
        });
    });
    let sign = best(|| {
        black_box(curve.sign_ecdsa(message, &secret));
    });
    let peer_sign = best(|| {
        out.clear();
        client.sign(&payload, &mut out).unwrap();
    });
    let verify = best(|| curve.verify_ecdsa(message, &signature, &public).unwrap());
    let mut frames: Vec<String> = (0..5_050)
        .map(|_| {
            let mut frame = String::new();
            client.sign(&payload, &mut frame).unwrap();
            frame
        })
        .collect();
    // Each frame can be verified once, because its nonce is consumed.
    let peer_verify = best(|| {
        if let Some(frame) = frames.pop() {
            let message = AuthMessage::parse(&frame).unwrap();
            server.handle(&message).unwrap();
        }
    });
    let ratio = |whole: Duration, bare: Duration| whole.as_secs_f64() / bare.as_secs_f64();
    println!(
        "sign:   {peer_sign:?} for a frame of {PAYLOAD} bytes, {sign:?} bare: {:.2}",
        ratio(peer_sign, sign)
    );
    println!(
        "verify: {peer_verify:?} for a frame of {PAYLOAD} bytes, {verify:?} bare: {:.2}",
        ratio(peer_verify, verify)
    );
}

/// The cost of creating and of restoring a session.
fn sessions(criterion: &mut Criterion) {
    let server = Identity::random();
    let mut client = Peer::new(Arc::new(Identity::random()), PeerConfig::default());
    let request = client.start_handshake().unwrap();
    let request = AuthMessage::parse(&request).unwrap();
    let begin = || Session::respond(&server, black_box(&request), None, 9).unwrap();
    criterion.bench_function("handshake", |bench| bench.iter(begin));
    let (session, _) = begin();
    criterion.bench_function("nonce read", |bench| {
        bench.iter(|| server.is_own_session_nonce(black_box(session.own_nonce())));
    });
    criterion.bench_function("session restored", |bench| {
        bench.iter(|| Session::restore(&server, session.record(), 9).unwrap());
    });
}

criterion_group!(benches, costs, sessions);
criterion_main!(benches);
