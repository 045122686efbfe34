//! Names for keys: once set, they stand for a key in all arguments of `messagebox`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use messagebox::auth::Identity;
use serde_json::json;

use crate::support::command::User;
use crate::support::server::TestServer;

#[test]
fn a_name_stands_for_a_key() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    let (from, to) = (alice.key().to_hex(), bob.key().to_hex());
    assert_eq!(
        alice.run(&["names", "list", "--human"]).human(),
        "no names\n"
    );
    let set = alice.run(&["names", "set", "bob", &to]).json();
    assert_eq!(set, json!({"name": "bob", "identityKey": to}));
    let message = alice.run(&["send", "bob", "hello"]).json();
    assert_eq!(message["recipient"], to);
    assert_eq!(alice.run(&["quote", "bob"]).json()["recipient"], to);
    // The sender has no name yet.
    let listed = bob.run(&["list"]).json();
    assert_eq!(listed["messages"][0]["senderName"], json!(null));
    assert_eq!(bob.run(&["names", "set", "alice", &from]).code, 0);
    let listed = bob.run(&["list"]).json();
    let message = &listed["messages"][0];
    assert_eq!(
        (&message["sender"], &message["senderName"]),
        (&json!(from), &json!("alice"))
    );
    let human = bob.run(&["list", "--human"]);
    let line = format!("from  alice ({from})\n");
    assert!(human.human().starts_with(&line), "{}", human.out);
    let set = [
        "permissions",
        "set",
        "inbox",
        "block",
        "--sender",
        "alice",
        "--human",
    ];
    let blocked = format!("inbox  alice ({from}): blocked\n");
    assert_eq!(bob.run(&set).human(), blocked);
    let got = ["permissions", "get", "inbox", "--sender", "alice"];
    assert_eq!(bob.run(&got).json()["permission"]["sender"], from);
    assert_eq!(
        bob.run(&["permissions", "list", "--human"]).human(),
        blocked
    );
}

#[test]
fn names_are_set_again_and_removed_and_other_lines_stay() {
    let user = User::of("http://localhost:1");
    let [one, two] = [(); 2].map(|()| Identity::random().identity_key().to_hex());
    assert_eq!(user.run(&["names", "set", "one", &one]).code, 0);
    let file = user.folder.path().join("messagebox/names");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::write(&file, format!("# friends\none {one}\n")).unwrap();
    assert_eq!(user.run(&["names", "set", "two", &two]).code, 0);
    let again = user.run(&["names", "set", "one", &two]);
    assert!(
        again.err.contains(&format!("one was {one} before")),
        "{}",
        again.err
    );
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("# friends\ntwo {two}\none {two}\n"));
    let listed = user.run(&["names", "list"]).json();
    let expected = json!({"names": [{"name": "two", "identityKey": two}, {"name": "one", "identityKey": two}]});
    assert_eq!(listed, expected);
    assert_eq!(
        user.run(&["names", "remove", "one"]).json()["identityKey"],
        two
    );
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!("# friends\ntwo {two}\n")
    );
    for wrong in [
        &["names", "remove", "one"][..],
        &["names", "set", "-x", &one],
        &["names", "set", &one, &one],
        &["names", "set", "x", "two"],
        &["send", "one", "hello"],
        &["send", "no name", "hello"],
        &["quote", one.get(1..).unwrap()],
    ] {
        let result = user.run(wrong);
        assert_eq!(result.code, 2, "{wrong:?}: {}", result.err);
    }
    let unknown = user.run(&["send", "three", "hello"]);
    assert!(
        unknown.err.contains("`messagebox names set three KEY`"),
        "{}",
        unknown.err
    );
}

/// A wrong name would send to a wrong key. An invalid file of names does not prevent reading.
#[test]
fn an_invalid_file_of_names_is_reported_where_a_name_is_used() {
    let server = TestServer::start();
    let bob = User::of(&server.http(""));
    let (key, file) = (
        bob.key().to_hex(),
        bob.folder.path().join("messagebox/names"),
    );
    let open = 0o622;
    for (text, mode, code, wrong) in [
        (
            format!("bob {key}\nbob {key}"),
            0o600,
            2,
            "line 2: bob has a key already",
        ),
        (
            "bob 02aa".to_owned(),
            0o600,
            2,
            "line 1: an identity key is 66 hexadecimal",
        ),
        (
            format!("bob {key}\n"),
            open,
            4,
            "others may change the names (mode 0622)",
        ),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let result = bob.run(&["send", "bob", "hello"]);
        assert_eq!(result.code, code, "{}", result.err);
        assert!(result.err.contains(wrong), "{}", result.err);
        let listed = bob.run(&["list"]);
        assert_eq!(listed.json()["messages"], json!([]));
        assert!(listed.err.contains("cannot show names"), "{}", listed.err);
        assert_eq!(bob.run(&["quote", &key]).code, 0);
    }
}
