//! Services that acknowledge, refuse, answer nonsense or do not answer.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use super::*;
use crate::outbound::stand::Stand;
use crate::overlay::network::OverlayNetwork;

const ACKNOWLEDGED: &str = r#"{"tm_messagebox":{"outputsToAdmit":[0],"coinsToRetain":[]},"tm_other":{"outputsToAdmit":[],"coinsToRetain":[]}}"#;
const REVOKED: &str =
    r#"{"tm_messagebox":{"outputsToAdmit":[],"coinsToRetain":[],"coinsRemoved":[0]}}"#;
const NOTHING: &str = r#"{"tm_messagebox":{"outputsToAdmit":[],"coinsToRetain":[]},"tm_other":{"outputsToAdmit":[0],"coinsToRetain":[]}}"#;

fn answering(status: u16, body: &'static str) -> Stand {
    Stand::start(move |stream, _| {
        let head = format!(
            "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes());
    })
}

/// A service that keeps the connection open without an answer.
fn hanging() -> Stand {
    Stand::start(|stream, _| {
        // Until the other end closes it.
        let _ = stream.read(&mut [0]);
    })
}

async fn send(stands: &[&Stand], timeout: Duration) -> Result<(), SubmitFailure> {
    let overlay = Overlay::new(OverlayNetwork::Local, &[], timeout);
    let hosts: Vec<String> = stands.iter().map(|stand| stand.url.clone()).collect();
    overlay
        .send_to_all(&hosts, b"beef", overlay.deadline())
        .await
}

#[tokio::test]
async fn one_acknowledgement_is_enough_and_all_services_get_the_transaction() {
    let long = Duration::from_secs(20);
    let (taking, revoking) = (answering(200, ACKNOWLEDGED), answering(200, REVOKED));
    let (refusing, idle) = (answering(400, "{}"), answering(200, NOTHING));
    for acknowledging in [&taking, &revoking] {
        let stands = [&refusing, &idle, acknowledging];
        assert_eq!(send(&stands, long).await, Ok(()));
        for stand in stands {
            let (line, body) = stand.asked.recv().unwrap();
            assert_eq!(
                (line.as_str(), &body[..]),
                ("POST /submit HTTP/1.1", &b"beef"[..])
            );
        }
    }
    // A hanging service does not change the result.
    let stands = [&hanging(), &taking];
    assert_eq!(send(&stands, Duration::from_millis(500)).await, Ok(()));
}

#[tokio::test]
async fn what_nobody_acknowledges_is_not_submitted() {
    let long = Duration::from_secs(20);
    assert_eq!(send(&[], long).await, Err(SubmitFailure::NoService));
    let idle = answering(200, NOTHING);
    let unacknowledged = Err(SubmitFailure::Unacknowledged);
    assert_eq!(send(&[&idle], long).await, unacknowledged);
    let refusing = answering(400, r#"{"message":"no \u001b[2J"}"#);
    let nonsense = answering(200, r#"{"tm_messagebox":{"outputsToAdmit":[0]}}"#);
    for (stand, expected) in [
        (
            &refusing,
            "it answered with status 400, and says: no \\u{1b}[2J",
        ),
        (&nonsense, "its answer could not be read"),
    ] {
        let refused = SubmitFailure::Refused(format!("{}: {expected}", stand.url));
        assert_eq!(send(&[stand], long).await, Err(refused));
    }
    let late = hanging();
    let refused = format!("{}: it did not answer in time", late.url);
    let sent = send(&[&late], Duration::from_millis(200)).await;
    assert_eq!(sent, Err(SubmitFailure::Refused(refused)));
}
