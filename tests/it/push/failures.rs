//! Notifications that fail: retries, refused projects and accounts, dead tokens, and full queues.

use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::push::{Fcm, FcmSettings, ServiceAccount};
use serde_json::json;

use crate::support::brc104::Brc104;
use crate::support::eventually;
use crate::support::remote::Reply;
use crate::support::server::{ServerProcess, free_address};

use super::{Bench, Google, SEND, status};

#[actix_web::test]
async fn temporary_failures_are_retried_and_permanent_ones_are_not() {
    let busy = Reply {
        status: 429,
        json: json!({}),
        retry_after: Some(1),
        held_by: None,
    };
    let google = Google::start(vec![busy, status(503)], 3_600);
    let bench = Bench::start(&google, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    let counts = bench.push.status();
    assert_eq!((counts.sent, counts.retried, counts.failed), (1, 2, 0));

    let down = Google::start((0..9).map(|_| status(500)).collect(), 3_600);
    let bench = Bench::start(&down, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    assert_eq!(
        (down.requests(SEND).len(), bench.push.status().failed),
        (3, 1)
    );

    let refusing = Google::start(vec![status(400)], 3_600);
    let bench = Bench::start(&refusing, |_| {});
    let id = bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    assert_eq!(
        (refusing.requests(SEND).len(), bench.push.status().failed),
        (1, 1)
    );
    // A mistake of the server costs no device its registration.
    let devices = bench.db.devices(bench.owner).await.unwrap();
    assert!(devices[0].id == id && devices[0].active);
}

/// A wrong project answers 404 for every device. Only `UNREGISTERED` concerns one device.
#[actix_web::test]
async fn errors_of_the_firebase_project_deactivate_no_device() {
    let of_project = || -> Vec<Reply> {
        vec![
            (404, json!({"error": {"status": "NOT_FOUND", "message": "Requested entity was not found."}})).into(),
            status(404),
            (403, json!({"error": {"status": "PERMISSION_DENIED"}})).into(),
            (403, json!({"error": {"details": [{"errorCode": "SENDER_ID_MISMATCH"}]}})).into(),
        ]
    };
    let google = Google::start([of_project(), of_project()].concat(), 3_600);
    let bench = Bench::start(&google, |settings| settings.concurrency = 1);
    bench.register("one").await;
    bench.register("two").await;
    for id in 0..4 {
        bench.notify(&id.to_string());
    }
    bench.flush().await;
    assert_eq!(google.requests(SEND).len(), 8);
    let counts = bench.push.status();
    // Once per notification, not once per device.
    assert_eq!(
        (
            counts.refused,
            counts.failed,
            counts.retried,
            counts.dead_tokens
        ),
        (4, 0, 0, 0)
    );
    let devices = bench.db.devices(bench.owner).await.unwrap();
    assert!(devices.len() == 2 && devices.iter().all(|device| device.active));
    // Once the project is right, the same devices get notifications.
    bench.notify("later");
    bench.flush().await;
    assert_eq!(bench.push.status().sent, 2);
}

#[actix_web::test]
async fn a_refused_project_is_logged_once() {
    let refuse: Reply = (404, json!({"error": {"status": "NOT_FOUND"}})).into();
    let google = Google::start(vec![refuse; 6], 3_600);
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let variables = [
        ("LOG_FORMAT", "json"),
        ("FIREBASE_SERVICE_ACCOUNT_JSON", &*google.account),
        ("FIREBASE_ENDPOINT", &google.remote.url),
        ("PUSH_BOXES", "inbox"),
    ];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    let bob = Brc104::connect(&format!("http://{address}")).await;
    for token in ["one", "two"] {
        let device = json!({ "fcmToken": token }).to_string();
        assert_eq!(bob.post("/registerDevice", device).await.status, 200);
    }
    let bob_key = bob.identity.identity_key().to_hex();
    for id in 0..4 {
        let message = json!({"message": {
            "recipient": bob_key, "messageBox": "inbox", "messageId": id.to_string(), "body": "x",
        }});
        assert_eq!(
            bob.post("/sendMessage", message.to_string()).await.status,
            200
        );
    }
    // The last two arrive.
    google.requests_to_send(8).await;
    let devices = bob.send(&bob.request("GET", "/devices", "")).await.json;
    let devices = devices["devices"].as_array().unwrap().clone();
    assert!(
        devices.iter().all(|device| device["active"] == true),
        "{devices:?}"
    );
    let lines = server.log_objects();
    let refusals: Vec<_> = lines
        .iter()
        .filter(|line| {
            line["message"]
                .as_str()
                .unwrap()
                .contains("FIREBASE_PROJECT_ID")
        })
        .collect();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0]["level"], "ERROR");
    server.kill();
}

/// An account that was deleted: asking for another access token would not help.
#[actix_web::test]
async fn an_account_that_is_refused_is_not_asked_for_again_by_each_device() {
    let google = Google::refusing_account();
    let bench = Bench::start(&google, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    let counts = bench.push.status();
    assert_eq!((counts.refused, counts.failed, counts.retried), (1, 0, 0));
    assert_eq!(
        (google.requests("/token").len(), google.requests(SEND).len()),
        (1, 0)
    );
}

#[actix_web::test]
async fn a_dead_token_is_deactivated_until_it_is_registered_again() {
    let gone: Reply = (
        404,
        json!({"error": {"status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}}),
    )
        .into();
    let google = Google::start(vec![gone], 3_600);
    let bench = Bench::start(&google, |_| {});
    bench.register("one").await;
    bench.notify("1");
    bench.flush().await;
    assert!(!bench.db.devices(bench.owner).await.unwrap()[0].active);
    bench.notify("2");
    bench.flush().await;
    assert_eq!(google.requests(SEND).len(), 1);
    bench.register("one").await;
    bench.notify("3");
    bench.flush().await;
    let status = bench.push.status();
    assert_eq!((status.dead_tokens, status.sent), (1, 1));
    assert!(bench.db.devices(bench.owner).await.unwrap()[0].active);
}

#[actix_web::test]
async fn notifications_over_the_queue_limit_are_dropped_and_counted() {
    let google = Google::start(vec![status(0)], 3_600);
    let bench = Bench::start(&google, |settings| {
        settings.max_queued = 48;
        settings.concurrency = 1;
    });
    bench.register("one").await;
    bench.notify("1");
    google.requests_to_send(1).await;
    // One notification is in flight and two wait, which is the share of one recipient.
    for id in ["2", "3", "4", "5"] {
        bench.notify(id);
    }
    let status = bench.push.status();
    assert_eq!((status.pending, status.dropped), (3, 2), "{status:?}");
    assert!(!bench.push.flush(Duration::from_millis(1)).await);
}

/// A device with endless retries delays only its owner's notifications.
#[actix_web::test]
async fn whoever_is_notified_much_or_later_keeps_nobody_waiting() {
    let busy = (0..2).map(|_| Reply {
        status: 429,
        json: json!({}),
        retry_after: Some(3_600),
        held_by: None,
    });
    let google = Google::start(busy.collect(), 3_600);
    let mut bench = Bench::start(&google, |settings| {
        settings.concurrency = 1;
        settings.backoff.longest = Duration::from_secs(3_600);
    });
    bench.register("one").await;
    bench.register("two").await;
    for id in 0..700 {
        bench.notify(&id.to_string());
    }
    google.requests_to_send(2).await;
    bench.owner = Identity::random().identity_key();
    bench.register("other").await;
    bench.notify("other");
    eventually("the other's notification", || bench.push.status().sent == 1).await;
    let other = &google.requests(SEND)[2];
    assert_eq!(other.json["message"]["notification"]["body"], "other");
    eventually("its end", || bench.push.status().pending == 625).await;
    assert_eq!(bench.push.status().dropped, 75);
}

#[test]
fn no_debug_output_contains_a_key_or_a_token() {
    let google = Google::start(Vec::new(), 3_600);
    let account = ServiceAccount::parse(&google.account).unwrap();
    let shown = format!(
        "{account:?} {:?}",
        Fcm::new(account.clone(), &FcmSettings::default())
    );
    assert!(!shown.contains("PRIVATE") && shown.contains("push@the-project.example"));
}
