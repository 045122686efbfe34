//! Engine.IO over HTTP long-polling, one test a rule.

use futures_util::future::join;
use messagebox::engineio::{CloseReason, EngineConfig};
use serde_json::json;

use crate::support::echo::{EchoServer, calm, quick};
use crate::support::polling::{Polling, client, get, post};
use crate::support::server::TestServer;
use crate::support::{PATIENCE, eventually, within};

const QUERY: &str = "EIO=4&transport=polling";

async fn session(server: &EchoServer) -> Polling {
    Polling::open(&server.http(QUERY)).await
}

#[actix_web::test]
async fn a_session_opens_with_exactly_the_five_fields() {
    let server = EchoServer::start(quick());
    let (status, body) = get(&server.http(QUERY)).await;
    assert_eq!(status, 200);
    let open: serde_json::Value = serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
    let expected = json!({
        "sid": open["sid"],
        "upgrades": ["websocket"],
        "pingInterval": 300,
        "pingTimeout": 200,
        "maxPayload": 1_000_000,
    });
    assert_eq!(open, expected);
    assert!(open["sid"].is_string());
}

#[actix_web::test]
async fn bad_requests_get_the_specified_errors() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let sid = &polling.sid;
    let cases = [
        ("GET", "EIO=4".to_owned(), 0, "Transport unknown"),
        (
            "GET",
            "EIO=4&transport=abc".to_owned(),
            0,
            "Transport unknown",
        ),
        (
            "GET",
            format!("{QUERY}&sid=nothing-of-the-kind"),
            1,
            "Session ID unknown",
        ),
        (
            "GET",
            format!("{QUERY}&sid=AAAAAAAAAAAAAAAAAAAA"),
            1,
            "Session ID unknown",
        ),
        ("POST", QUERY.to_owned(), 2, "Bad handshake method"),
        ("PUT", QUERY.to_owned(), 2, "Bad handshake method"),
        (
            "GET",
            "EIO=4&transport=websocket".to_owned(),
            3,
            "Bad request",
        ),
        (
            "GET",
            format!("EIO=4&transport=websocket&sid={sid}"),
            3,
            "Bad request",
        ),
        ("PUT", format!("{QUERY}&sid={sid}"), 3, "Bad request"),
        (
            "GET",
            "transport=polling".to_owned(),
            5,
            "Unsupported protocol version",
        ),
        (
            "GET",
            "EIO=3&transport=polling".to_owned(),
            5,
            "Unsupported protocol version",
        ),
        (
            "GET",
            "EIO=abc&transport=polling".to_owned(),
            5,
            "Unsupported protocol version",
        ),
    ];
    for (method, query, code, message) in cases {
        let request = client().request(method.parse().unwrap(), server.http(&query));
        let mut response = request.send().await.unwrap();
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(response.status(), 400, "{method} {query}");
        assert_eq!(
            body,
            json!({"code": code, "message": message}),
            "{method} {query}"
        );
        assert_eq!(
            response
                .headers()
                .get("access-control-allow-origin")
                .unwrap(),
            "*"
        );
    }
    polling.post("4still here").await;
    assert_eq!(polling.get().await, (200, "4still here".to_owned()));
}

#[actix_web::test]
async fn a_browser_may_ask_from_anywhere() {
    let server = EchoServer::start(calm());
    let request = client()
        .request("OPTIONS".parse().unwrap(), server.http(QUERY))
        .insert_header(("origin", "https://app.example"))
        .insert_header(("access-control-request-headers", "content-type"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 204);
    let header = |name| {
        response
            .headers()
            .get(name)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(header("access-control-allow-methods"), "GET,POST");
    assert_eq!(header("access-control-allow-headers"), "content-type");
}

#[actix_web::test]
async fn messages_come_back_text_and_binary_one_and_many() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    for body in [
        "4hello",
        "4a\x1e4b\x1e4c",
        "4hello\x1ebAQIDBA==",
        "4héllo €",
    ] {
        assert_eq!(polling.post(body).await, (200, "ok".to_owned()));
        assert_eq!(polling.get().await, (200, body.to_owned()));
    }
}

#[actix_web::test]
async fn a_waiting_poll_is_answered_at_once() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let (poll, posted) = join(within("the poll", polling.get()), polling.post("4now")).await;
    assert_eq!(posted.0, 200);
    assert_eq!(poll, (200, "4now".to_owned()));
}

#[actix_web::test]
async fn a_burst_of_two_hundred_arrives_whole_and_in_order() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let sent: Vec<String> = (0..200).map(|n| format!("4{n}")).collect();
    polling.post(sent.join("\x1e")).await;
    let mut received = Vec::new();
    while received.len() < 200 {
        let (_, body) = polling.get().await;
        let packets: Vec<String> = body.split('\x1e').map(str::to_owned).collect();
        assert!(packets.len() <= 16);
        received.extend(packets);
    }
    assert_eq!(received, sent);
}

#[actix_web::test]
async fn what_is_no_payload_ends_the_session() {
    let bodies: [&[u8]; 6] = [
        b"abc",
        b"",
        b"4a\x1e",
        b"b!!!",
        &[b'4', 0xff, 0xfe],
        b"4ok\x1e9",
    ];
    let server = EchoServer::start(calm());
    for body in bodies {
        let polling = session(&server).await;
        assert_eq!(polling.post(body).await.0, 400, "{body:?}");
        assert_eq!(polling.get().await.0, 400, "{body:?}");
    }
    eventually("every end", || {
        server.reasons() == [CloseReason::ParseError; 6]
    })
    .await;
}

#[actix_web::test]
async fn a_second_poll_ends_the_session_and_the_first_is_told() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let (one, other) = within("both polls", join(polling.get(), polling.get())).await;
    let mut answers = [one, other];
    answers.sort();
    assert_eq!(answers[0], (200, "1".to_owned()));
    assert_eq!(answers[1].0, 400);
    assert_eq!(polling.get().await.0, 400);
}

#[actix_web::test]
async fn an_aborted_poll_ends_the_session_at_once() {
    let server = EchoServer::one_worker(calm());
    let polling = session(&server).await;
    let stream = polling.get_raw(server.address).await;
    // A request on the same session that is answered after the poll was parked.
    assert_eq!(polling.post("6").await.0, 200);
    drop(stream);
    eventually("the end", || {
        server.reasons() == [CloseReason::TransportClose]
    })
    .await;
    assert_eq!(polling.get().await.0, 400);
}

#[actix_web::test]
async fn pings_come_after_the_interval_and_pongs_keep_the_session() {
    let server = EchoServer::start(EngineConfig {
        ping_timeout: PATIENCE,
        ..quick()
    });
    let polling = session(&server).await;
    for _ in 0..3 {
        assert_eq!(polling.get().await, (200, "2".to_owned()));
        assert_eq!(polling.post("3").await.0, 200);
    }
}

#[actix_web::test]
async fn a_client_that_only_posts_is_timed_out() {
    let server = EchoServer::start(quick());
    let polling = session(&server).await;
    let posting = async { while polling.post("4x").await.0 == 200 {} };
    within("the end", posting).await;
    eventually("its reason", || {
        server.reasons() == [CloseReason::PingTimeout]
    })
    .await;
}

#[actix_web::test]
async fn the_client_closes() {
    let server = EchoServer::one_worker(calm());
    for _ in 0..100 {
        let polling = session(&server).await;
        let (poll, posted) = within("both", join(polling.get(), polling.post("1"))).await;
        assert_eq!(posted.0, 200);
        assert_eq!(polling.get().await.0, 400);
        // Two connections: the packet may have been quicker than the poll.
        if poll.0 != 400 {
            assert_eq!(poll.1, "6");
            return;
        }
    }
    panic!("no poll waited");
}

#[actix_web::test]
async fn bodies_over_256_kib_are_taken_and_those_over_the_limit_are_not() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let large = format!("4{}", "x".repeat(999_999));
    assert_eq!(polling.post(large.clone()).await.0, 200);
    assert!(polling.get().await.1 == large);
    assert_eq!(polling.post(format!("{large}x")).await.0, 413);
    assert_eq!(polling.post("4still here").await.0, 200);
}

#[actix_web::test]
async fn a_session_is_not_taken_over_by_another_path() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let other = post(
        &server.http(&format!("transport=websocket&sid={}", polling.sid)),
        "4x",
    )
    .await;
    assert_eq!(other.0, 400);
    assert_eq!(polling.post("4x").await.0, 200);
}

#[actix_web::test]
async fn where_sockets_are_off_a_client_is_told_so() {
    let server = TestServer::with(|settings| {
        settings.socket.enabled = false;
        settings.server.routing_prefix = "/api".to_owned();
    });
    for path in ["/socket.io/", "/api/socket.io/"] {
        let url = server.http(&format!("{path}?EIO=4&transport=polling"));
        let (status, body) = get(&url).await;
        assert_eq!(status, 404, "{body}");
        assert!(
            body.contains("ERR_SOCKETS_OFF") && body.contains("ENABLE_WEBSOCKETS"),
            "{body}"
        );
    }
}
