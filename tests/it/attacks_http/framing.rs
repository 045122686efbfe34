//! Attacks with the bounds of a request: where its body ends, and how large its head is.

use crate::support::raw_http::{ask, exchange, head, lines};
use crate::support::server::TestServer;

use super::{LIST, connect};

/// Two readers could see the end of these requests in two places. A second request stands where one of them would read
/// on.
#[actix_web::test]
async fn a_body_has_one_end_or_the_connection_has() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let length = LIST.len();
    let whole = format!("content-length: {length}\r\n");
    let chunks = format!("{length:x}\r\n{LIST}\r\n0\r\n\r\n");
    // The server answers it with 401, and only if the first request ended exactly before it.
    let smuggled = "GET /second HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    // The headers, the body, and the statuses of the answers.
    let cases: Vec<(&str, String, String, &[u16])> = vec![
        ("length", whole.clone(), LIST.into(), &[200, 401]),
        (
            "chunks",
            "transfer-encoding: chunked\r\n".into(),
            chunks.clone(),
            &[200, 401],
        ),
        (
            "chunks in capitals",
            "Transfer-Encoding: CHUNKED\r\n".into(),
            chunks.clone(),
            &[200, 401],
        ),
        (
            "length and chunks",
            format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
            chunks.clone(),
            &[400],
        ),
        (
            "chunks and length",
            format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
            chunks.clone(),
            &[400],
        ),
        (
            "length twice",
            format!("{whole}{whole}"),
            LIST.into(),
            &[400],
        ),
        (
            "two lengths",
            format!("{whole}content-length: 0\r\n"),
            LIST.into(),
            &[400],
        ),
        (
            "lengths in a list",
            format!("content-length: {length}, {length}\r\n"),
            LIST.into(),
            &[400],
        ),
        (
            "length with a sign",
            format!("content-length: +{length}\r\n"),
            LIST.into(),
            &[400],
        ),
        (
            "length below zero",
            "content-length: -1\r\n".into(),
            LIST.into(),
            &[400],
        ),
        (
            "length in hexadecimal",
            format!("content-length: {length:#x}\r\n"),
            LIST.into(),
            &[400],
        ),
        (
            "encoding twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n".into(),
            chunks.clone(),
            &[400],
        ),
        (
            "encodings",
            "transfer-encoding: chunked, identity\r\n".into(),
            chunks.clone(),
            &[400],
        ),
        (
            "unknown encoding",
            "transfer-encoding: xchunked\r\n".into(),
            chunks.clone(),
            &[400],
        ),
        (
            "size that is no number",
            "transfer-encoding: chunked\r\n".into(),
            format!("x{chunks}"),
            &[400],
        ),
        (
            "size without an end",
            "transfer-encoding: chunked\r\n".into(),
            format!("{}\r\n{LIST}", "f".repeat(20)),
            &[400],
        ),
        (
            "trailers",
            "transfer-encoding: chunked\r\n".into(),
            format!("{length:x}\r\n{LIST}\r\n0\r\nx-bsv-payment: {{}}\r\n\r\n"),
            // The server ignores trailers: no header comes after the head.
            &[200, 401],
        ),
    ];
    for (what, says, body, expected) in cases {
        let request = alice.request("POST", "/listMessages", LIST);
        let head = head("POST", "/listMessages", &request.headers, &says);
        let sent = format!("{head}{body}{smuggled}");
        let answers = exchange(server.address, sent.as_bytes()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, expected, "{what}: {answers:?}");
    }
    // HTTP/1.0 has no chunks.
    let request = alice.request("POST", "/listMessages", LIST);
    let old = format!(
        "POST /listMessages HTTP/1.0\r\n{}transfer-encoding: chunked\r\n\r\n{chunks}",
        lines(&request.headers)
    );
    let answer = ask(server.address, old.as_bytes()).await;
    assert_eq!((answer.status, answer.signed), (400, false));
    let old = format!(
        "POST /listMessages HTTP/1.0\r\n{}{whole}\r\n{LIST}",
        lines(&request.headers)
    );
    let answers = exchange(server.address, old.as_bytes()).await;
    assert!(answers.len() <= 1, "{answers:?}");
}

/// actix has constants for these: 96 headers, heads of 128 KiB, targets of 64 KiB.
#[actix_web::test]
async fn a_head_is_bounded() {
    let server = TestServer::with(|settings| {
        settings.server.max_url_bytes = 65_534.try_into().unwrap();
        settings.server.max_headers = 96.try_into().unwrap();
        settings.server.max_header_bytes = 131_072.try_into().unwrap();
    });
    let line = |count: usize| "x-note: a\r\n".repeat(count);
    let long = |length: usize| format!("x-note: {}\r\n", "a".repeat(length));
    let path = |length: usize| format!("/{}", "a".repeat(length));
    let cases = [
        ("/", line(90), true),
        ("/", line(95), false),
        ("/", line(100_000), false),
        ("/", long(100_000), true),
        ("/", long(200_000), false),
        (&*path(60_000), String::new(), true),
        (&*path(70_000), String::new(), false),
        (&*path(200_000), String::new(), false),
    ];
    for (target, lines, taken) in cases {
        let text = head("GET", target, &[], &lines);
        let what = format!("{} and {}", target.len(), lines.len());
        let answers = exchange(server.address, text.as_bytes()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        // A connection that is reset before its answer is read shows none.
        let is_refused = matches!(statuses[..], [] | [400 | 431]);
        assert_eq!(statuses == [401], taken, "{what}: {statuses:?}");
        assert!(taken || is_refused, "{what}: {statuses:?}");
    }
}

/// The default limit is what actix takes, in one header or in many: a payment fits in one header.
#[actix_web::test]
async fn a_head_of_128_kib_is_taken_by_default() {
    const ALL: usize = 131_072;
    let server = TestServer::start();
    for (count, bytes, taken) in [
        (1, ALL - 1, true),
        (80, ALL - 1, true),
        (1, ALL + 1_024, false),
        (80, ALL + 1_024, false),
    ] {
        let around = head("GET", "/", &[], "").len();
        let each = (bytes - around) / count;
        let line = |length: usize| format!("x-note: {}\r\n", "a".repeat(length - 10));
        let rest = bytes - around - each * (count - 1);
        let lines = format!("{}{}", line(each).repeat(count - 1), line(rest));
        let text = head("GET", "/", &[], &lines);
        assert_eq!(text.len(), bytes);
        let answers = exchange(server.address, text.as_bytes()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        // A connection that is reset before its answer is read shows none.
        let is_refused = matches!(statuses[..], [] | [400 | 431]);
        assert_eq!(statuses == [401], taken, "{count} {bytes}: {statuses:?}");
        assert!(taken || is_refused, "{count} {bytes}: {statuses:?}");
    }
}
