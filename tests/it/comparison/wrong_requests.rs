//! Bodies and queries that are wrong, field by field.

use serde_json::{Value, json};

use crate::support::documents::Documents;

use super::{Failing, KEY, Stage, ask, right, whole_message};

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub async fn wrong_bodies_of_messages(documents: &mut Documents, stage: &Stage) {
    let with = |field: &str, value: Value| {
        let mut message = whole_message(KEY);
        message[field] = value;
        json!({ "message": message })
    };
    let without = |fields: &[&str]| {
        let mut message = whole_message(KEY);
        for field in fields {
            message.as_object_mut().unwrap().remove(*field);
        }
        json!({ "message": message })
    };
    let long = "x".repeat(257);
    let keys = vec![KEY; 1_001];
    let ids: Vec<String> = (0..1_001).map(|id| id.to_string()).collect();
    let cases = [
        (json!({}), "ERR_MESSAGE_REQUIRED"),
        (json!([]), "ERR_MESSAGE_REQUIRED"),
        (json!({"message": null}), "ERR_MESSAGE_REQUIRED"),
        (json!({"message": "text"}), "ERR_INVALID_MESSAGEBOX"),
        (
            without(&["messageBox", "body", "recipient"]),
            "ERR_INVALID_MESSAGEBOX",
        ),
        (with("messageBox", json!(7)), "ERR_INVALID_MESSAGEBOX"),
        (with("messageBox", json!("  ")), "ERR_INVALID_MESSAGEBOX"),
        (with("messageBox", json!(long)), "ERR_INVALID_MESSAGEBOX"),
        (
            without(&["body", "recipient", "messageId"]),
            "ERR_INVALID_MESSAGE_BODY",
        ),
        (with("body", json!("")), "ERR_INVALID_MESSAGE_BODY"),
        (with("body", json!(7)), "ERR_INVALID_MESSAGE_BODY"),
        (with("body", json!(null)), "ERR_INVALID_MESSAGE_BODY"),
        (
            without(&["recipient", "messageId"]),
            "ERR_RECIPIENT_REQUIRED",
        ),
        (with("recipient", json!(null)), "ERR_RECIPIENT_REQUIRED"),
        (without(&["messageId"]), "ERR_MESSAGEID_REQUIRED"),
        (with("messageId", json!(null)), "ERR_MESSAGEID_REQUIRED"),
        (with("messageId", json!(7)), "ERR_INVALID_MESSAGEID"),
        (with("messageId", json!([""])), "ERR_INVALID_MESSAGEID"),
        (with("expiresAt", json!("soon")), "ERR_INVALID_EXPIRY"),
        (with("expiresAt", json!(1)), "ERR_INVALID_EXPIRY"),
    ];
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    for (body, code) in cases {
        failing.says("POST", "/sendMessage", &body, 400, code).await;
    }
    let says = [
        (
            with("messageId", json!(long)),
            "ERR_INVALID_MESSAGEID",
            "Each messageId must be at most 256 bytes.",
        ),
        (
            json!({"message": {"messageBox": "b", "body": "x", "recipients": keys, "messageId": ids}}),
            "ERR_TOO_MANY_RECIPIENTS",
            "A message may have at most 1000 recipients.",
        ),
        (
            with("recipient", json!([KEY, KEY])),
            "ERR_MESSAGEID_COUNT_MISMATCH",
            "Provided 1 messageId for 2 recipients. Provide one messageId per recipient (same order).",
        ),
        (
            with("messageId", json!(["1", "2"])),
            "ERR_MESSAGEID_COUNT_MISMATCH",
            "Recipients (1) and messageId count (2) must match.",
        ),
        (
            with("recipient", json!("not a key")),
            "ERR_INVALID_RECIPIENT_KEY",
            "Invalid recipient key: not a key",
        ),
        (
            with("recipient", json!({})),
            "ERR_INVALID_RECIPIENT_KEY",
            "Invalid recipient key: {}",
        ),
    ];
    for (body, code, description) in says {
        let answer = failing.ask("POST", "/sendMessage", &body, 400, code).await;
        assert_eq!(answer.json["description"], description);
    }
    // Another sender has used the id.
    let recipient = stage.bob().to_hex();
    let mut message = whole_message(&recipient);
    message["messageId"] = json!("taken");
    let body = json!({ "message": message });
    assert_eq!(
        ask(&stage.alice, "POST", "/sendMessage", &body)
            .await
            .status,
        200
    );
    let mut failing = Failing {
        client: &stage.bob,
        ..failing
    };
    failing
        .says("POST", "/sendMessage", &body, 400, "ERR_DUPLICATE_MESSAGE")
        .await;
    let small = Stage::set(|settings| settings.messages.max_message_bytes = 1_000).await;
    let mut large = whole_message(&recipient);
    large["body"] = json!("x".repeat(1_000));
    failing.client = &small.alice;
    let (body, code) = (json!({ "message": large }), "ERR_MESSAGE_BODY_TOO_LARGE");
    failing.ask("POST", "/sendMessage", &body, 413, code).await;
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub async fn wrong_bodies_of_others(documents: &mut Documents, stage: &Stage) {
    let cases = [
        ("/listMessages", json!({}), "ERR_MESSAGEBOX_REQUIRED"),
        (
            "/listMessages",
            json!({"messageBox": ""}),
            "ERR_MESSAGEBOX_REQUIRED",
        ),
        (
            "/listMessages",
            json!({"messageBox": 7}),
            "ERR_INVALID_MESSAGEBOX",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "limit": 0}),
            "ERR_INVALID_LIMIT",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "limit": 1001}),
            "ERR_INVALID_LIMIT",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "offset": -1}),
            "ERR_INVALID_OFFSET",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "cursor": "x"}),
            "ERR_INVALID_CURSOR",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "order": "up"}),
            "ERR_INVALID_ORDER",
        ),
        (
            "/listMessages",
            json!({"messageBox": "b", "messageId": 7}),
            "ERR_INVALID_MESSAGE_ID",
        ),
        ("/acknowledgeMessage", json!({}), "ERR_MESSAGE_ID_REQUIRED"),
        (
            "/acknowledgeMessage",
            json!({"messageIds": []}),
            "ERR_MESSAGE_ID_REQUIRED",
        ),
        (
            "/acknowledgeMessage",
            json!({"messageIds": "1"}),
            "ERR_INVALID_MESSAGE_ID",
        ),
        (
            "/acknowledgeMessage",
            json!({"messageIds": [1]}),
            "ERR_INVALID_MESSAGE_ID",
        ),
        (
            "/acknowledgeMessage",
            json!({"messageIds": ["unknown"]}),
            "ERR_INVALID_ACKNOWLEDGMENT",
        ),
        ("/registerDevice", json!({}), "ERR_INVALID_FCM_TOKEN"),
        (
            "/registerDevice",
            json!({"fcmToken": " "}),
            "ERR_INVALID_FCM_TOKEN",
        ),
        (
            "/registerDevice",
            json!({"fcmToken": 7}),
            "ERR_INVALID_FCM_TOKEN",
        ),
        (
            "/registerDevice",
            json!({"fcmToken": "t", "platform": "vms"}),
            "ERR_INVALID_PLATFORM",
        ),
        (
            "/registerDevice",
            json!({"fcmToken": "t", "deviceId": 7}),
            "ERR_INVALID_DEVICE_ID",
        ),
        ("/permissions/set", json!({}), "ERR_INVALID_REQUEST"),
        (
            "/permissions/set",
            json!({"messageBox": "b", "recipientFee": "1"}),
            "ERR_INVALID_REQUEST",
        ),
        (
            "/permissions/set",
            json!({"messageBox": "b", "recipientFee": 1, "sender": "x"}),
            "ERR_INVALID_PUBLIC_KEY",
        ),
        (
            "/permissions/set",
            json!({"messageBox": "b", "recipientFee": 1.5}),
            "ERR_INVALID_FEE_VALUE",
        ),
        (
            "/permissions/set",
            json!({"messageBox": "b", "recipientFee": -2}),
            "ERR_INVALID_FEE_VALUE",
        ),
        (
            "/permissions/set",
            json!({"messageBox": " ", "recipientFee": 1}),
            "ERR_INVALID_MESSAGE_BOX",
        ),
        (
            "/permissions/set",
            json!({"messageBox": 7, "recipientFee": 1}),
            "ERR_INVALID_MESSAGE_BOX",
        ),
    ];
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    for (target, body, code) in cases {
        failing.says("POST", target, &body, 400, code).await;
    }
    let long = json!({"fcmToken": "x".repeat(501)});
    let code = "ERR_INVALID_FCM_TOKEN";
    let answer = failing
        .ask("POST", "/registerDevice", &long, 400, code)
        .await;
    assert_eq!(
        answer.json["description"],
        "fcmToken is too long: it may have at most 500 bytes."
    );
    // A message of another recipient looks like a missing one.
    let theirs = json!({"messageIds": ["taken"]});
    failing
        .says(
            "POST",
            "/acknowledgeMessage",
            &theirs,
            400,
            "ERR_INVALID_ACKNOWLEDGMENT",
        )
        .await;
    let posts: Vec<_> = right(KEY)
        .into_iter()
        .filter(|(method, ..)| *method == "POST")
        .collect();
    for (method, target, _) in posts {
        for raw in ["", "{", "\u{0}", "{\"a\":}"] {
            failing
                .says(method, &target, &json!(raw), 400, "ERR_INVALID_JSON")
                .await;
        }
    }
    let mut failing = Failing {
        documents,
        client: &stage.bob,
    };
    let device = json!({"fcmToken": "token of a device"});
    let code = "ERR_DEVICE_TOKEN_ALREADY_REGISTERED";
    failing
        .says("POST", "/registerDevice", &device, 409, code)
        .await;
}

pub async fn wrong_queries(documents: &mut Documents, stage: &Stage) {
    let wrong = format!("/permissions/quote?messageBox=b&recipient=x&recipient={KEY}&recipient=y");
    let name = "x".repeat(129);
    let long = format!("/permissions/quote?messageBox={name}&recipient={KEY}");
    let cases = [
        ("/permissions/get", "ERR_MISSING_PARAMETERS"),
        ("/permissions/get?messageBox=", "ERR_MISSING_PARAMETERS"),
        (
            "/permissions/get?messageBox=b&sender=x",
            "ERR_INVALID_PUBLIC_KEY",
        ),
        ("/devices?limit=0", "ERR_INVALID_LIMIT"),
        ("/devices?offset=-1", "ERR_INVALID_OFFSET"),
        ("/permissions/list?limit=0", "ERR_INVALID_LIMIT"),
        ("/permissions/list?limit=1001", "ERR_INVALID_LIMIT"),
        ("/permissions/list?limit=x", "ERR_INVALID_LIMIT"),
        ("/permissions/list?offset=-1", "ERR_INVALID_OFFSET"),
        ("/permissions/quote", "ERR_MISSING_PARAMETERS"),
        ("/permissions/quote?recipient=x", "ERR_MISSING_PARAMETERS"),
        ("/permissions/quote?messageBox=b", "ERR_MISSING_PARAMETERS"),
        (wrong.as_str(), "ERR_INVALID_PUBLIC_KEY"),
        (long.as_str(), "ERR_INVALID_MESSAGE_BOX"),
    ];
    let mut failing = Failing {
        documents,
        client: &stage.alice,
    };
    for (target, code) in cases {
        failing.says("GET", target, &Value::Null, 400, code).await;
    }
    // A URL is too short for more than 1,000 recipients, so this server has a lower limit.
    let small = Stage::set(|settings| {
        settings.messages.max_recipients = std::num::NonZeroUsize::new(3).unwrap();
    })
    .await;
    let many = format!(
        "/permissions/quote?messageBox=b{}",
        format!("&recipient={KEY}").repeat(4)
    );
    failing.client = &small.alice;
    let answer = failing
        .ask("GET", &many, &Value::Null, 400, "ERR_TOO_MANY_RECIPIENTS")
        .await;
    assert_eq!(
        answer.json["description"],
        "A message may have at most 3 recipients."
    );
    // Paths and methods that do not exist, so no document has them.
    for (method, target, status, code) in [
        ("GET", "/sendMessage", 405, "ERR_METHOD_NOT_ALLOWED"),
        ("POST", "/devices", 405, "ERR_METHOD_NOT_ALLOWED"),
        ("DELETE", "/permissions/list", 405, "ERR_METHOD_NOT_ALLOWED"),
        ("GET", "/nothing", 404, "ERR_NOT_FOUND"),
        ("POST", "/permissions", 404, "ERR_NOT_FOUND"),
        ("POST", "/admin/migrate", 404, "ERR_NOT_FOUND"),
    ] {
        let answer = ask(&stage.alice, method, target, &json!({})).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{method} {target}"
        );
    }
}
