//! Serializing and hashing the bytes that a BRC-104 request signs, against hashing its body alone.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use messagebox::auth::canonical::{Direction, SignedRequest, signed_headers};
use messagebox::auth::sha256;

const BODY: usize = 1_024;

/// The shortest of many short timings, which a noisy machine disturbs least.
fn best(mut work: impl FnMut()) -> Duration {
    let turn = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..100 {
            work();
        }
        start.elapsed() / 100
    };
    (0..200).map(|_| turn(&mut work)).min().unwrap_or_default()
}

fn digests(criterion: &mut Criterion) {
    let body = vec![b'x'; BODY];
    let sent: [(&str, &[u8]); 4] = [
        ("content-type", b"application/json"),
        ("x-bsv-topic", b"t"),
        ("authorization", b"Bearer x"),
        ("accept", b"*/*"),
    ];
    let headers = signed_headers(sent.into_iter(), Direction::Request).unwrap();
    let request = SignedRequest {
        request_id: &[7; 32],
        method: "POST",
        path: "/sendMessage",
        query: "",
        headers: &headers,
        body: &body,
    };
    criterion.bench_function("canonical bytes written", |bench| {
        bench.iter(|| {
            let mut bytes = Vec::new();
            black_box(&request).write(&mut bytes);
            bytes
        });
    });
    criterion.bench_function("canonical digest", |bench| {
        bench.iter(|| black_box(&request).digest());
    });
    let bare = best(|| {
        black_box(sha256(black_box(&body)));
    });
    let whole = best(|| {
        black_box(signed_headers(black_box(sent).into_iter(), Direction::Request).unwrap());
        black_box(black_box(&request).digest());
    });
    println!(
        "headers and digest of a request with {BODY} bytes: {whole:?}, hashing the body alone {bare:?}: {:.2}",
        whole.as_secs_f64() / bare.as_secs_f64()
    );
}

criterion_group!(benches, digests);
criterion_main!(benches);
