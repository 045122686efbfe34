//! `messagebox status`: with a token, with a key, or without either.

use messagebox::auth::Identity;
use messagebox::config::Secret;

use crate::support::command::User;
use crate::support::server::TestServer;

#[test]
fn at_the_machine_it_needs_neither_token_nor_key() {
    let server = TestServer::start();
    let user = User::without_key(&server.http(""));
    let status = user.run(&["status"]).json();
    assert!(status["server"].is_object(), "{status}");
    assert!(!user.key_file().exists());
    let human = user.run(&["status", "--human"]);
    assert!(human.human().contains("ready     "), "{}", human.out);
    // A service has no home folder.
    let mut homeless = user.command(&["status"]);
    let homeless = homeless.env_remove("XDG_CONFIG_HOME").output().unwrap();
    assert!(homeless.status.success(), "{homeless:?}");
    // A key file changes nothing.
    let user = User::of(&server.http(""));
    assert!(user.run(&["status"]).json()["server"].is_object());
}

#[test]
fn without_admin_rights_the_command_says_how_to_get_them() {
    let admin = Identity::random().identity_key();
    let servers = [
        TestServer::with(|settings| {
            settings.admin.token = Some(Secret::new("the operator's token"));
        }),
        TestServer::with(|settings| settings.admin.identities = vec![admin.to_hex()]),
    ];
    for server in servers {
        let url = server.http("");
        let stranger = User::without_key(&url).run(&["status"]);
        assert_eq!(stranger.code, 4, "{}", stranger.err);
        assert!(
            stranger.err.contains("Only a server in development"),
            "{}",
            stranger.err
        );
        let user = User::of(&url);
        let other = user.run(&["status"]);
        assert_eq!(other.code, 1, "{}", other.err);
        assert!(
            other.err.contains("Your key is not an admin's"),
            "{}",
            other.err
        );
        let mut with_token = user.command(&["status"]);
        let with_token = with_token
            .env("MESSAGEBOX_ADMIN_TOKEN", "another token")
            .output();
        let with_token = with_token.unwrap();
        let error = String::from_utf8(with_token.stderr).unwrap();
        assert_eq!(with_token.status.code(), Some(4), "{error}");
        assert!(
            error.contains("must be the server's ADMIN_TOKEN"),
            "{error}"
        );
    }
}
