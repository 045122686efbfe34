//! The command `messagebox` against a real server: every subcommand, both output formats, exit codes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use messagebox::auth::Identity;
use messagebox::client::{Connector, MessageBoxClient, TransportKind, message_id};
use serde_json::json;

use crate::support::command::User;
use crate::support::remote::Remote;
use crate::support::server::{TestServer, free_address};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_is_made_once_and_for_its_owner_only() {
    let user = User::without_key("http://localhost:1");
    let missing = user.run(&["identity"]);
    assert_eq!(missing.code, 4);
    assert!(missing.err.contains("messagebox keygen"), "{}", missing.err);
    let made = user.run(&["keygen"]).json();
    let path = user.key_file();
    assert_eq!(made["keyFile"], path.to_str().unwrap());
    assert_eq!(made["identityKey"], user.key().to_hex());
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let before = fs::read(&path).unwrap();
    let again = user.run(&["keygen"]);
    assert!(
        again.code == 1 && again.err.contains("it is unchanged"),
        "{}",
        again.err
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    let shown = user.run(&["identity", "--human"]);
    assert_eq!(shown.human().trim(), user.key().to_hex());
    for open in [0o640, 0o604] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        let refused = user.run(&["identity"]);
        assert!(
            refused.code == 4 && refused.err.contains("chmod 600"),
            "{}",
            refused.err
        );
    }
}

#[test]
fn a_key_comes_from_the_named_file_then_the_environment() {
    let user = User::of("http://localhost:1");
    let other = user.folder.path().join("other.key");
    let other = other.to_str().unwrap();
    let made = user.run(&["keygen", "--human", "--key-file", other]);
    assert!(made.human().contains(other));
    let hex = format!("{:064x}", 11);
    let with_variable = |arguments: &[&str]| {
        let mut command = user.command(arguments);
        let output = command
            .env("MESSAGEBOX_PRIVATE_KEY", &hex)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let eleven = Identity::from_hex(&hex).unwrap().identity_key().to_hex();
    assert!(with_variable(&["identity"]).contains(&eleven));
    let named = with_variable(&["identity", "--key-file", other]);
    let named: serde_json::Value = serde_json::from_str(&named).unwrap();
    assert!(
        made.human()
            .contains(named["identityKey"].as_str().unwrap())
    );
    fs::write(other, "nonsense").unwrap();
    let refused = user.run(&["identity", "--key-file", other]);
    assert!(
        refused.code == 4 && refused.err.contains("64 hexadecimal"),
        "{}",
        refused.err
    );
}

#[test]
fn messages_are_sent_listed_and_acknowledged() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    assert_eq!(
        bob.run(&["list", "--human"]).human(),
        "no messages in inbox\n"
    );
    let (from, to) = (alice.key().to_hex(), bob.key().to_hex());
    let sent = alice.run(&["send", &to, "hello €"]).json();
    let id = message_id(&alice.identity(), bob.key(), "hello €").unwrap();
    let expected = json!({
        "messageId": id, "recipient": to, "messageBox": "inbox", "encrypted": true, "over": "http",
        "alreadySent": false
    });
    assert_eq!(sent, expected);
    let again = alice.run(&["send", &to, "hello €", "--human"]);
    assert_eq!(again.human(), format!("sent before  {id}\n"));
    assert!(
        again.err.contains("nothing new was stored"),
        "{}",
        again.err
    );
    let listed = bob.run(&["list"]).json();
    let message = &listed["messages"][0];
    assert_eq!(listed["messages"].as_array().unwrap().len(), 1);
    let fields = ["messageId", "sender", "messageBox", "body", "encrypted"];
    assert_eq!(
        fields.map(|it| message[it].clone()),
        [
            json!(id),
            json!(from),
            json!("inbox"),
            json!("hello €"),
            json!(true)
        ]
    );
    assert!(message["createdAt"].as_str().unwrap().ends_with('Z'));
    let human = bob.run(&["list", "--human"]);
    for part in [
        format!("from  {from}\n"),
        format!("id    {id}\n"),
        "\n\n| hello €\n".into(),
    ] {
        assert!(human.human().contains(&part), "{}", human.out);
    }
    assert_eq!(bob.run(&["ack", &id]).json(), json!({"acknowledged": [id]}));
    let gone = bob.run(&["ack", &id, "--human"]);
    assert!(
        gone.code == 1 && gone.err.contains("already be acknowledged"),
        "{}",
        gone.err
    );
    assert_eq!(bob.run(&["list"]).json()["messages"], json!([]));
}

#[test]
fn bodies_and_ids_are_sent_as_given() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    let to = bob.key().to_hex();
    let piped = ["send", &to, "-", "--box", "other"];
    assert_eq!(alice.feed(&piped, b"one line").code, 0);
    let other = bob.run(&["list", "--box", "other"]).json();
    assert_eq!(other["messages"][0]["body"], "one line");
    let piped = ["send", &to];
    assert_eq!(alice.feed(&piped, b"two\nlines\n").code, 0);
    let again = alice.run(&["send", &to, "one line", "--box", "other"]);
    assert_eq!(again.json()["alreadySent"], true);
    // The id does not depend on the box. The same text for another box needs its own id.
    let elsewhere = alice.run(&["send", &to, "one line"]);
    assert_ne!(elsewhere.code, 0, "{}", elsewhere.out);
    assert!(elsewhere.err.contains("--new-id"), "{}", elsewhere.err);
    assert_eq!(alice.send(&bob, "named", &["--id", "a name"]), "a name");
    let fresh = [(); 2].map(|()| alice.send(&bob, "the same", &["--new-id"]));
    assert_ne!(fresh[0], fresh[1]);
    alice.send(&bob, "readable", &["--plain"]);
    let listed = bob.run(&["list"]).json();
    let read = |field: &str| {
        let messages = listed["messages"].as_array().unwrap().iter();
        messages.map(|it| it[field].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        read("body"),
        ["two\nlines\n", "named", "the same", "the same", "readable"]
    );
    assert_eq!(read("encrypted"), [true, true, true, true, false]);
    for (arguments, input) in [
        (&["send", to.as_str(), " "][..], &b""[..]),
        (&["send", &to], b"\n"),
        (&["send", &to], b"\xff"),
    ] {
        assert_eq!(alice.feed(arguments, input).code, 2, "{arguments:?}");
    }
}

#[test]
fn a_live_message_goes_over_a_socket_or_falls_back_to_http() {
    for sockets in [true, false] {
        let server = TestServer::with(|settings| settings.socket.enabled = sockets);
        let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
        let sent = alice.run(&["send", &bob.key().to_hex(), "hello", "--live"]);
        assert_eq!(sent.json()["over"], if sockets { "socket" } else { "http" });
        // On a socket, servers need not distinguish a message that they store from one that they have.
        let already_sent = if sockets { json!(null) } else { json!(false) };
        assert_eq!(sent.json()["alreadySent"], already_sent);
        assert_eq!(
            sent.err.contains("because the socket failed"),
            !sockets,
            "{}",
            sent.err
        );
        let again = alice.run(&["send", &bob.key().to_hex(), "hello", "--live"]);
        assert_eq!(again.json()["alreadySent"], true);
        assert!(
            again.err.contains("nothing new was stored"),
            "{}",
            again.err
        );
        let listed = bob.run(&["list"]).json();
        let messages = listed["messages"].as_array().unwrap();
        assert_eq!((messages.len(), &messages[0]["body"]), (1, &json!("hello")));
    }
}

#[actix_web::test]
async fn what_others_wrote_cannot_steer_a_terminal_nor_stop_the_list() {
    let server = TestServer::start();
    let bob = User::of(&server.http(""));
    let connector = Connector::new(server.http("").parse().unwrap(), TransportKind::Websocket);
    let mallory = MessageBoxClient::new(connector, Identity::random().into());
    for (id, body) in [
        ("1\u{1b}[2J", "\u{1b}]0;title\u{7}plain"),
        ("2", r#"{"encryptedMessage":"AAAA"}"#),
        ("3", "the last"),
        (
            "4",
            "x\n\nfrom  somebody else\nid    5\u{9b}\u{202e}\u{2066}",
        ),
    ] {
        mallory.send(bob.key(), "inbox", id, body).await.unwrap();
    }
    let human = bob.run(&["list", "--human"]);
    assert!(!human.human().contains('\u{1b}') && !human.out.contains('\u{7}'));
    for part in [
        r"1\u{1b}[2J",
        r"\u{1b}]0;title\u{7}plain",
        "[It cannot be decrypted",
        "| the last\n",
        "| from  somebody else\n",
        r"| id    5\u{9b}\u{202e}\u{2066}",
    ] {
        assert!(human.out.contains(part), "{}", human.out);
    }
    let headers = human.out.lines().filter(|line| line.starts_with("from"));
    assert_eq!(headers.count(), 4, "{}", human.out);
    let json = bob.run(&["list", "--json"]);
    let steers = ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{2066}'];
    assert!(!json.out.contains(steers), "{}", json.out);
    let listed = json.json();
    assert_eq!(
        listed["messages"][3]["body"],
        "x\n\nfrom  somebody else\nid    5\u{9b}\u{202e}\u{2066}"
    );
    let unread = &listed["messages"][1];
    assert_eq!(unread["body"], json!(null));
    assert!(unread["error"].as_str().unwrap().contains("decrypted"));
}

#[test]
fn a_message_may_expire() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    let to = bob.key().to_hex();
    let never = alice.run(&["send", &to, "never"]).json();
    assert_eq!(never["expiresAt"], json!(null));
    let date = "2999-01-01T00:00:00Z";
    for (flags, text) in [(&[][..], "over HTTP"), (&["--live"], "over a socket")] {
        let arguments = [&["send", to.as_str(), text, "--expires", date], flags].concat();
        let sent = alice.run(&arguments).json();
        assert_eq!(sent["expiresAt"], date);
    }
    let sent = alice.run(&["send", &to, "soon", "--expires", "12h"]).json();
    assert!(sent["expiresAt"].as_str().unwrap().ends_with('Z'));
    let bodies = || {
        let listed = bob.run(&["list"]).json();
        let messages = listed["messages"].as_array().unwrap().iter();
        messages.map(|it| it["body"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(bodies(), ["never", "over HTTP", "over a socket", "soon"]);
    let past = server.database.time("2020-01-01T00:00:00.000Z");
    server.database.run(&format!(
        r#"UPDATE "messages" SET "expires_at" = {past} WHERE "expires_at" IS NOT NULL"#
    ));
    assert_eq!(bodies(), ["never"]);
    for wrong in ["0s", "2020-01-01T00:00:00Z", "tomorrow", "99999years"] {
        let result = alice.run(&["send", &to, "x", "--expires", wrong]);
        assert_eq!(result.code, 2, "{wrong}: {}", result.err);
    }
}

#[test]
fn a_fee_is_printed_and_nothing_is_sent() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    let to = bob.key().to_hex();
    assert_eq!(bob.run(&["permissions", "set", "inbox", "40"]).code, 0);
    let quote = alice.run(&["quote", &to]).json();
    assert_eq!(
        quote,
        json!({"recipient": to, "messageBox": "inbox", "deliveryFee": 0, "recipientFee": 40, "blocked": false, "total": 40})
    );
    let human = alice.run(&["quote", &to, "--human"]);
    assert_eq!(
        human.human(),
        "40 satoshis: 0 for the server, 40 for the recipient\n"
    );
    for flags in [&[][..], &["--live"]] {
        let refused = alice.run(&[&["send", to.as_str(), "hello"], flags].concat());
        let due = "40 satoshis are due, 0 for the server and 40 for the recipient";
        assert!(
            refused.code == 1 && refused.err.contains(due),
            "{}",
            refused.err
        );
    }
    assert_eq!(bob.run(&["list"]).json()["messages"], json!([]));
}

#[test]
fn a_request_price_is_printed() {
    let server = TestServer::with(|settings| {
        settings.prices.routes.insert("/listMessages".to_owned(), 7);
    });
    let refused = User::of(&server.http("")).run(&["list"]);
    assert!(
        refused.code == 1 && refused.err.contains("costs 7 satoshis"),
        "{}",
        refused.err
    );
}

#[test]
fn permissions_are_set_got_and_listed() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    let from = alice.key().to_hex();
    let got = ["permissions", "get", "inbox"];
    assert_eq!(bob.run(&got).json(), json!({"permission": null}));
    let set = bob.run(&["permissions", "set", "inbox", "block"]).json();
    let everybody = json!({"messageBox": "inbox", "sender": null, "recipientFee": -1});
    assert_eq!(set, everybody);
    assert_eq!(bob.run(&got).json()["permission"], everybody);
    let blocked = alice.run(&["send", &bob.key().to_hex(), "hello"]);
    assert!(
        blocked.code == 1 && blocked.err.contains("blocks your key"),
        "{}",
        blocked.err
    );
    let set = [
        "permissions",
        "set",
        "inbox",
        "allow",
        "--sender",
        &from,
        "--human",
    ];
    assert_eq!(bob.run(&set).human(), format!("inbox  {from}: allowed\n"));
    assert_eq!(alice.run(&["send", &bob.key().to_hex(), "hello"]).code, 0);
    let listed = bob.run(&["permissions", "list"]).json();
    assert_eq!(listed["permissions"].as_array().unwrap().len(), 2);
    let human = bob.run(&["permissions", "list", "inbox", "--human"]);
    assert!(
        human.human().contains("inbox  everybody: blocked\n"),
        "{}",
        human.out
    );
    assert_eq!(
        bob.run(&["permissions", "list", "other"]).json()["permissions"],
        json!([])
    );
    for fee in ["-2", "much"] {
        assert_eq!(
            bob.run(&["permissions", "set", "inbox", fee]).code,
            2,
            "{fee}"
        );
    }
}

#[test]
fn devices_are_registered_and_listed() {
    let server = TestServer::start();
    let user = User::of(&server.http(""));
    assert_eq!(
        user.run(&["devices", "list", "--human"]).human(),
        "no devices\n"
    );
    let register = [
        "devices",
        "register",
        "a-token-of-some-length",
        "--name",
        "phone",
        "--platform",
        "ios",
    ];
    let id = user.run(&register).json()["id"].clone();
    let listed = user.run(&["devices", "list"]).json();
    let device = &listed["devices"][0];
    assert_eq!(
        [&device["id"], &device["name"], &device["active"]],
        [&id, &json!("phone"), &json!(true)]
    );
    let human = user.run(&["devices", "list", "--human"]);
    let line = format!("{id}  phone, ios, ...ome-length, active\n");
    assert_eq!(human.human(), line);
    assert_eq!(
        user.run(&["devices", "register", "t", "--platform", "bsd"])
            .code,
        2
    );
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let absent = format!("http://{}", free_address());
    let unreachable = User::of(&absent).run(&["list"]);
    assert!(
        unreachable.code == 3 && unreachable.err.contains("Is the server running"),
        "{}",
        unreachable.err
    );
    let other = Remote::start(|_| (200, json!("hello")).into());
    let no_server = User::of(&other.url).run(&["list"]);
    assert!(
        no_server.code == 5 && no_server.err.contains("MessageBox server"),
        "{}",
        no_server.err
    );
    let missing = Remote::start(|_| (404, json!("no such page")).into());
    assert_eq!(User::of(&missing.url).run(&["list"]).code, 5);
    let stranger = Remote::start(|_| (401, json!({"code": "UNAUTHORIZED"})).into());
    assert_eq!(User::of(&stranger.url).run(&["list"]).code, 4);
    let silent = Remote::start(|_| (0, json!(null)).into());
    let late = User::of(&silent.url).run(&["list", "--timeout", "200ms"]);
    assert_eq!(late.code, 3, "{}", late.err);
    let user = User::without_key("no address");
    for wrong in [
        &["list"][..],
        &["nothing"],
        &[],
        &["send", "nobody", "hello", "--server", "http://localhost"],
    ] {
        assert_eq!(user.run(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn completions_and_manual_describe_all_of_it() {
    let user = User::without_key("http://localhost:1");
    for shell in ["bash", "zsh", "fish"] {
        let script = user.run(&["completions", shell]);
        assert!(script.human().contains("permissions"), "{shell}");
    }
    let manual = user.run(&["man"]);
    for part in [
        ".TH messagebox 1",
        "doctor",
        "Exit codes",
        "MESSAGEBOX_PRIVATE_KEY",
    ] {
        assert!(manual.human().contains(part), "{part}");
    }
    assert!(user.run(&["man", "send"]).human().contains("new\\-id"));
    assert_eq!(user.run(&["man", "nothing"]).code, 2);
}
