//! Services that answer too much, too late, with something else, or with somebody else's address.

use std::io::Write as _;

use super::*;
use crate::outbound::stand::Stand;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

async fn post(
    stand: &Stand,
    max_answer: usize,
    timeout: Duration,
) -> Result<Answer, RemoteFailure> {
    let posted = Posted {
        url: &format!("{}/path", stand.url),
        headers: &[("x-own", "1")],
        body: b"body",
        max_answer,
        timeout,
    };
    Service::default().post(posted).await
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_bound() {
    let five = "HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 5\r\n\r\n12345";
    let stand = Stand::saying(five);
    let answer = post(&stand, 5, LONG).await.unwrap();
    let expected = Answer {
        status: 200,
        content_type: "a/b".to_owned(),
        body: b"12345".to_vec(),
        clock: None,
    };
    assert_eq!(answer, expected);
    let asked = stand.asked.recv().unwrap();
    assert_eq!(asked, ("POST /path HTTP/1.1".to_owned(), b"body".to_vec()));
    // What announces more is not read, and what says nothing of its length is read no further.
    assert_eq!(post(&stand, 4, LONG).await, Err(RemoteFailure::TooLong));
    let endless = Stand::start(|stream, _| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut sent = stream.write_all(head);
        while sent.is_ok() {
            sent = stream.write_all(b"4\r\nabcd\r\n");
        }
    });
    assert_eq!(
        post(&endless, 4096, LONG).await,
        Err(RemoteFailure::TooLong)
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_none_is_told_apart() {
    let cut = Stand::saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n123");
    assert_eq!(post(&cut, 5, LONG).await, Err(RemoteFailure::Unreadable));
    let other = Stand::saying("SSH-2.0-something\r\n");
    assert_eq!(post(&other, 5, LONG).await, Err(RemoteFailure::Unreachable));
    let nobody = Posted {
        url: "http://127.0.0.1:9/",
        headers: &[],
        body: b"",
        max_answer: 5,
        timeout: LONG,
    };
    let answer = Service::default().post(nobody).await;
    assert_eq!(answer, Err(RemoteFailure::Unreachable));
}

#[tokio::test]
async fn an_answer_that_trickles_does_not_take_longer_than_it_may() {
    let slow = Stand::start(|stream, _| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        let mut sent = stream.write_all(head);
        while sent.is_ok() {
            std::thread::sleep(Duration::from_millis(10));
            sent = stream.write_all(b"1");
        }
    });
    let answer = post(&slow, 2_000_000, Duration::from_millis(200)).await;
    assert_eq!(answer, Err(RemoteFailure::Late));
}

#[tokio::test]
async fn a_failure_keeps_its_status_and_a_short_message() {
    let refusing = Stand::saying(
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 42\r\n\r\n{\"isError\":true,\"message\":\"no funds left\"}",
    );
    let answer = post(&refusing, 1, LONG).await.unwrap();
    assert_eq!(answer.failure(), Some(RemoteFailure::Status(400)));
    assert_eq!(answer.json::<Value>(), Err(RemoteFailure::Status(400)));
    assert_eq!(answer.words().as_deref(), Some("no funds left"));
    let endless = Stand::start(|stream, _| {
        let head = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut sent = stream.write_all(head);
        while sent.is_ok() {
            sent = stream.write_all(b"4\r\nabcd\r\n");
        }
    });
    let answer = post(&endless, 1, LONG).await.unwrap();
    assert_eq!(answer.failure(), Some(RemoteFailure::Status(500)));
    assert_eq!((answer.words(), answer.body.len()), (None, 0));
    let long = format!("{{\"error\":\"{}\"}}", "x".repeat(1000));
    let answer = Answer {
        status: 200,
        content_type: String::new(),
        body: long.into_bytes(),
        clock: None,
    };
    assert_eq!(answer.words().map(|words| words.len()), Some(MAX_WORDS));
    assert_eq!(answer.json::<Vec<u8>>(), Err(RemoteFailure::Unreadable));
}

#[tokio::test]
async fn the_time_of_an_answer_is_held_against_the_clock() {
    for (date, is_wrong) in [("Fri, 02 Jan 2026 03:04:05 GMT", true), ("no date", false)] {
        let head = format!("HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: 0\r\n\r\n");
        let stand = Stand::start(move |stream, _| {
            let _ = stream.write_all(head.as_bytes());
        });
        let clock = post(&stand, 5, LONG).await.unwrap().clock;
        assert_eq!(clock.is_some_and(|it| it.error(10_000).is_some()), is_wrong);
    }
}

#[tokio::test]
async fn only_redirects_to_the_same_host_are_followed() {
    let other = Stand::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let location = other.url.replace("127.0.0.1", "localhost");
    let away = Stand::start(move |stream, _| {
        let head = format!(
            "HTTP/1.1 307 Elsewhere\r\nconnection: close\r\nlocation: {location}/\r\ncontent-length: 0\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes());
    });
    let answer = post(&away, 5, LONG).await.unwrap();
    assert_eq!(answer.failure(), Some(RemoteFailure::Status(307)));
    assert!(other.lines().is_empty());
    // On the same host it is followed, and the body goes along; but not for ever.
    let near = Stand::start(|stream, first| {
        let answer = if first == "POST /path HTTP/1.1" {
            "HTTP/1.1 307 Near\r\nconnection: close\r\nlocation: /moved\r\ncontent-length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
        };
        let _ = stream.write_all(answer.as_bytes());
    });
    assert_eq!(post(&near, 5, LONG).await.unwrap().body, b"ok");
    let asked: Vec<_> = near.asked.try_iter().collect();
    let moved = ("POST /moved HTTP/1.1".to_owned(), b"body".to_vec());
    assert_eq!(asked.last(), Some(&moved));
    let circle = Stand::saying(
        "HTTP/1.1 307 Again\r\nconnection: close\r\nlocation: /path\r\ncontent-length: 0\r\n\r\n",
    );
    let answer = post(&circle, 5, LONG).await.unwrap();
    assert_eq!(answer.failure(), Some(RemoteFailure::Status(307)));
    assert_eq!(circle.lines().len(), 6);
}
