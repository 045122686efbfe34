//! `messagebox list` in parts, and `messagebox ack --all`.

use messagebox::auth::Identity;
use messagebox::client::{Connector, MessageBoxClient, TransportKind};
use serde_json::{Value, json};

use crate::support::command::User;
use crate::support::server::TestServer;

fn ids(listed: &Value) -> Vec<String> {
    let messages = listed["messages"].as_array().unwrap().iter();
    let id = |message: &Value| message["messageId"].as_str().unwrap().to_owned();
    messages.map(id).collect()
}

async fn with_messages(server: &TestServer, count: usize, body: &str) -> User {
    let bob = User::of(&server.http(""));
    let connector = Connector::new(server.http("").parse().unwrap(), TransportKind::Websocket);
    let alice = MessageBoxClient::new(connector, Identity::random().into());
    for id in 1..=count {
        let sent = alice.send(bob.key(), "inbox", &id.to_string(), body).await;
        sent.unwrap();
    }
    bob
}

#[actix_web::test]
async fn a_list_ends_at_its_limit_and_gives_the_next_cursor() {
    let server = TestServer::start();
    let bob = with_messages(&server, 5, "x").await;
    let first = bob.run(&["list", "--limit", "2"]).json();
    assert_eq!(ids(&first), ["1", "2"]);
    // Acknowledgements in the meantime shift no page.
    assert_eq!(bob.run(&["ack", "1", "2"]).code, 0);
    let next = first["next"].as_str().unwrap();
    let second = bob.run(&["list", "--limit", "2", "--after", next]).json();
    assert_eq!(ids(&second), ["3", "4"]);
    let next = second["next"].as_str().unwrap();
    let last = bob.run(&["list", "--after", next]).json();
    assert_eq!(
        (ids(&last), &last["next"]),
        (vec!["5".to_owned()], &Value::Null)
    );
    let human = bob.run(&["list", "--human", "--limit", "1"]);
    assert_eq!(
        human.human().matches("\nid    ").count(),
        1,
        "{}",
        human.out
    );
    assert!(
        human.err.contains("there are more: --after "),
        "{}",
        human.err
    );
    let exact = bob.run(&["list", "--limit", "3"]).json();
    assert_eq!((ids(&exact).len(), &exact["next"]), (3, &Value::Null));
    for (wrong, code) in [
        (["--limit", "0"], 2),
        (["--limit", "-1"], 2),
        (["--after", "x"], 1),
    ] {
        let result = bob.run(&["list", wrong[0], wrong[1]]);
        assert_eq!(result.code, code, "{wrong:?}: {}", result.err);
    }
}

/// The server lists 4 MB at a time.
#[actix_web::test]
async fn a_limit_may_be_larger_than_a_page() {
    let server = TestServer::start();
    let bob = with_messages(&server, 5, &"x".repeat(1_500_000)).await;
    let listed = bob.run(&["list", "--limit", "4"]).json();
    assert_eq!(ids(&listed), ["1", "2", "3", "4"]);
    let next = listed["next"].as_str().unwrap();
    let rest = bob.run(&["list", "--after", next]).json();
    assert_eq!(ids(&rest), ["5"]);
    // `ack --all` also reads the whole box.
    let acknowledged = bob.run(&["ack", "--all", "--human"]);
    assert_eq!(acknowledged.human(), "5 messages acknowledged\n");
    assert_eq!(ids(&bob.run(&["list"]).json()), [""; 0]);
}

#[actix_web::test]
async fn all_of_a_box_is_acknowledged_except_messages_with_payments() {
    let server = TestServer::start();
    let bob = with_messages(&server, 3, "x").await;
    let alice = User::of(&server.http(""));
    alice.send(&bob, "stays", &["--box", "other"]);
    alice.send(
        &bob,
        r#"{"encryptedMessage":"AAAA"}"#,
        &["--plain", "--id", "garbled"],
    );
    // As a server stores a message that came with a payment.
    server.database.run(
        r#"UPDATE "messages" SET "body" = '{"message":"x","payment":{"tx":[1],"outputs":[]}}' WHERE "messageId" = '2'"#,
    );
    let result = bob.run(&["ack", "--all"]);
    let expected =
        json!({"messageBox": "inbox", "acknowledged": ["1", "3", "garbled"], "left": ["2"]});
    assert_eq!(result.json(), expected);
    assert!(
        result.err.contains("1 left with a payment"),
        "{}",
        result.err
    );
    assert_eq!(ids(&bob.run(&["list"]).json()), ["2"]);
    let again = bob.run(&["ack", "--all", "--human"]);
    assert_eq!(again.human(), "nothing to acknowledge in inbox\n");
    assert_eq!(bob.run(&["ack", "2"]).code, 0);
    let other = bob.run(&["ack", "--all", "--box", "other", "--human"]);
    assert_eq!(other.human(), "1 message acknowledged\n");
    for wrong in [
        &["ack"][..],
        &["ack", "1", "--all"],
        &["ack", "1", "--box", "other"],
    ] {
        assert_eq!(bob.run(wrong).code, 2, "{wrong:?}");
    }
}
