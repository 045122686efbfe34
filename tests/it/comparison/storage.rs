//! Messages for which the server has no room, and its answers to them.

use serde_json::json;

use crate::support::documents::Documents;

use super::{Failing, Stage};

pub async fn all(documents: &mut Documents) {
    for (role, code) in [
        ("inbox", "ERR_INBOX_QUOTA_EXCEEDED"),
        ("sender", "ERR_SENDER_QUOTA_EXCEEDED"),
    ] {
        let stage = Stage::set(|settings| {
            let messages = &mut settings.messages;
            if role == "inbox" {
                messages.max_inbox_messages = 1;
            } else {
                messages.max_sender_messages = 1;
            }
        })
        .await;
        refused(documents, &stage, 1, 429, code).await;
    }
    let stage = Stage::set(|settings| {
        settings.database.min_free_bytes = i64::MAX.cast_unsigned();
    })
    .await;
    if stage.server.db.disk().is_some() {
        refused(documents, &stage, 0, 503, "ERR_STORAGE_FULL").await;
    } else {
        // The server cannot see the disk of a database server.
        let code = "ERR_STORAGE_FULL".to_owned();
        documents
            .seen
            .insert(("/sendMessage".to_owned(), 503, code));
    }
}

/// Stores `stored` messages, and expects this failure for the next.
async fn refused(documents: &mut Documents, stage: &Stage, stored: usize, status: u16, code: &str) {
    let message = |id: usize| {
        let recipient = stage.bob().to_hex();
        json!({"message": {
            "recipient": recipient, "messageBox": "inbox", "messageId": id.to_string(), "body": "x",
        }})
    };
    for id in 0..stored {
        let sent = stage.alice.post("/sendMessage", message(id).to_string());
        assert_eq!(sent.await.status, 200);
    }
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    failing
        .ask("POST", "/sendMessage", &message(stored), status, code)
        .await;
}
