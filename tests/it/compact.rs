//! `messagebox-server compact`: it does not touch a file in use, and a server continues on a compacted one.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use messagebox::auth::Identity;
use serde_json::json;

use crate::support::brc104::Brc104;
use crate::support::server::{ServerProcess, free_address};

/// Whether it worked, its standard output, and its standard error.
fn compact(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
        .env_clear()
        .env("DATA_DIR", folder)
        .env("CONFIG_DIR", folder)
        .arg("compact")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (printed, failed) = (text(output.stdout), text(output.stderr));
    (output.status.success(), printed, failed)
}

#[actix_web::test]
async fn a_server_continues_on_a_compacted_file() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, failed) = compact(folder.path(), &[]);
    assert!(failed.contains("there is no database"), "{failed}");

    let address = free_address();
    let url = format!("http://{address}");
    let me = Arc::new(Identity::random());
    let mut server = ServerProcess::start(address, folder.path());
    let client = Brc104::connect_as(&url, Arc::clone(&me)).await;
    let key = me.identity_key().to_hex();
    let message = json!({"message": {"recipient": key, "messageBox": "inbox", "messageId": "1", "body": "still here"}});
    let sent = client.post("/sendMessage", message.to_string()).await;
    assert_eq!(sent.status, 200);

    let (works, printed, _) = compact(folder.path(), &["--dry-run"]);
    assert!(works && printed.lines().count() == 1, "{printed}");
    for expected in ["when compacted", "of free space in", "It takes up to"] {
        assert!(printed.contains(expected), "{printed}");
    }
    let (works, _, failed) = compact(folder.path(), &[]);
    assert!(!works && failed.contains("stop the server"), "{failed}");

    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
    let (works, printed, failed) = compact(folder.path(), &[]);
    assert!(
        works && printed.contains("compacted: "),
        "{printed}{failed}"
    );

    let _server = ServerProcess::start(address, folder.path());
    let client = Brc104::connect_as(&url, me).await;
    let listed = client
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    assert_eq!(listed.json["messages"][0]["messageId"], "1");
}

/// A database server has its own commands for that.
#[cfg(any(feature = "mysql", feature = "postgres"))]
#[test]
fn on_a_database_server_compact_names_that_servers_own_command() {
    for (url, expected) in [
        #[cfg(feature = "mysql")]
        ("mysql://a@localhost/m", "OPTIMIZE TABLE messages"),
        #[cfg(feature = "postgres")]
        (
            "postgres://a@localhost/m",
            "VACUUM (FULL, ANALYZE) messages",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (works, printed, failed) = compact(folder.path(), &["--database-url", url]);
        assert!(
            !works && printed.is_empty() && failed.contains(expected),
            "{failed}"
        );
    }
}
