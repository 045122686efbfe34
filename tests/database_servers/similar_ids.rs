//! Ids that people, or the collations of databases, confuse.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::brc104::Brc104;
use crate::support::database::{Kind, TestDatabase};
use crate::support::server::TestServer;

const PAIRS: [(&str, &str); 20] = [
    ("id", "ID"),
    ("résumé", "resume"),
    ("caf\u{e9}", "cafe\u{301}"),
    ("trail", "trail "),
    ("lead", " lead"),
    ("tab", "tab\t"),
    ("nbsp x", "nbsp\u{a0}x"),
    ("straße", "strasse"),
    ("GROẞ", "GROß"),
    ("ﬁsh", "fish"),
    ("ＡＢＣ", "ABC"),
    ("İstanbul", "istanbul"),
    ("ıd", "îd"),
    ("λόγος", "λόγοσ"),
    ("smørrebrød", "smorrebrod"),
    ("encyclopædia", "encyclopaedia"),
    ("ハハ", "ﾊﾊ"),
    ("はは", "ばば"),
    ("soft\u{ad}hyphen", "softhyphen"),
    ("😀", "😁"),
];

async fn pairs_are_two(kind: Kind) {
    let server = TestServer::on(Arc::new(TestDatabase::of(kind)), |_| {});
    let (alice, bob) = (
        Brc104::connect(&server.http("")).await,
        Brc104::connect(&server.http("")).await,
    );
    let recipient = bob.identity.identity_key().to_hex();
    let send = async |id: &str| {
        let body = format!("body of {id:?}");
        let message =
            json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": body});
        let sent = alice
            .post("/sendMessage", json!({ "message": message }).to_string())
            .await;
        assert_eq!(sent.status, 200, "{id:?}: {}", sent.json);
        assert_eq!(sent.json["messageId"], id);
    };
    let listed = async || -> BTreeSet<(String, String)> {
        let listed = bob.post("/listMessages", r#"{"messageBox":"inbox"}"#).await;
        let items = listed.json["messages"].as_array().unwrap().iter();
        let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
        let items = items.map(|item| {
            let body: Value = serde_json::from_str(&text(item, "body")).unwrap();
            (text(item, "messageId"), text(&body, "message"))
        });
        items.collect()
    };
    let expected = |ids: &[&str]| -> BTreeSet<(String, String)> {
        let pair = |id: &&str| ((*id).to_owned(), format!("body of {id:?}"));
        ids.iter().map(pair).collect()
    };
    for (n, (one, other)) in PAIRS.into_iter().enumerate() {
        // One by one, and together, so that one transaction may store both.
        if n % 2 == 0 {
            send(one).await;
            send(other).await;
        } else {
            futures_util::future::join(send(one), send(other)).await;
        }
        assert_eq!(listed().await, expected(&[one, other]));
        let acknowledge = async |id: &str| {
            let body = json!({ "messageIds": [id] }).to_string();
            bob.post("/acknowledgeMessage", body).await.status
        };
        assert_eq!(acknowledge(one).await, 200, "{one:?}");
        assert_eq!(listed().await, expected(&[other]), "{one:?} returned both");
        assert_eq!(acknowledge(one).await, 400, "{one:?}");
        assert_eq!(acknowledge(other).await, 200, "{other:?}");
    }
    assert!(listed().await.is_empty());
}

pub async fn mariadb_takes_similar_ids_for_two() {
    pairs_are_two(Kind::Mysql).await;
}

pub async fn postgresql_takes_similar_ids_for_two() {
    pairs_are_two(Kind::Postgres).await;
}

pub async fn sqlite_takes_similar_ids_for_two() {
    pairs_are_two(Kind::Sqlite).await;
}
