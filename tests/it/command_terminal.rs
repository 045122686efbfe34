//! `messagebox` on a terminal, and with a reader that closes the pipe.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::support::command::User;
use crate::support::server::TestServer;

/// Runs a command with a terminal as standard output and error. Returns what the terminal shows.
fn on_a_terminal(mut command: Command, variables: &[(&str, &str)]) -> String {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let terminal = ioctl_tiocgptpeer(&master, flags).unwrap();
    let error = terminal.try_clone().unwrap();
    let mut child = command
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdout(Stdio::from(terminal))
        .stderr(Stdio::from(error))
        .spawn()
        .unwrap();
    // The command holds the terminal open.
    drop(command);
    let mut shown = Vec::new();
    // Reading fails once the last user has closed the terminal.
    let _ = File::from(master).read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8(shown).unwrap()
}

#[test]
fn a_terminal_shows_colours_unless_they_are_not_wanted() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    alice.send(&bob, "hello \u{1b}[31m", &[]);
    for arguments in [&["list"][..], &["status"], &["ack", "nothing"]] {
        let coloured = on_a_terminal(bob.command(arguments), &[]);
        assert!(coloured.contains("\u{1b}["), "{arguments:?}: {coloured}");
        for variable in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
            let plain = on_a_terminal(bob.command(arguments), &[variable]);
            assert!(
                !plain.contains('\u{1b}'),
                "{variable:?} {arguments:?}: {plain}"
            );
        }
        let piped = bob.run(&[arguments, &["--human"]].concat());
        let piped = format!("{}{}", piped.out, piped.err);
        assert!(!piped.contains('\u{1b}'), "{arguments:?}: {piped}");
    }
    // Texts of other users have no colour.
    let listed = on_a_terminal(bob.command(&["list"]), &[]);
    assert!(listed.contains(r"| hello \u{1b}[31m"), "{listed}");
    // JSON has no colour.
    let json = on_a_terminal(bob.command(&["list", "--json"]), &[]);
    assert!(!json.contains('\u{1b}'), "{json}");
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
}

/// Text reaches a pipe byte for byte. A terminal gets it with marks and escapes.
#[test]
fn a_text_that_a_server_answers_is_quoted_on_a_terminal_only() {
    let admin = User::of("http://localhost:1");
    let key = admin.key();
    let server = TestServer::with(|settings| settings.admin.identities = vec![key.to_hex()]);
    let url = server.http("");
    let arguments = ["request", "GET", "/metrics", "--server", &url];
    let piped = admin.run(&arguments);
    assert!(piped.human().starts_with("# HELP"), "{}", piped.out);
    let quoted = on_a_terminal(admin.command(&arguments), &[]);
    let human = admin.run(&[&arguments[..], &["--human"]].concat());
    for shown in [quoted.as_str(), human.human()] {
        let is_marked = |line: &str| line.starts_with("| ");
        assert!(shown.lines().all(is_marked), "{shown}");
        assert!(shown.contains("| # HELP"), "{shown}");
    }
}

#[test]
fn a_closed_pipe_ends_the_command_without_an_error() {
    let server = TestServer::start();
    let (alice, bob) = (User::of(&server.http("")), User::of(&server.http("")));
    // More than a pipe buffers.
    alice.send(&bob, &"many words\n".repeat(10_000), &[]);
    for arguments in [
        &["list", "--human"][..],
        &["list", "--json"],
        &["listen"],
        &[
            "request",
            "POST",
            "/listMessages",
            r#"{"messageBox":"inbox"}"#,
        ],
    ] {
        let mut child = bob.command(arguments).spawn().unwrap();
        let mut out = BufReader::with_capacity(16, child.stdout.take().unwrap());
        let mut begins = [0; 16];
        out.read_exact(&mut begins).unwrap();
        drop(out);
        let mut error = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut error)
            .unwrap();
        assert_eq!(error, "", "{arguments:?}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
    // The command acknowledges nothing before a reader has read it.
    let mut child = bob.command(&["listen", "--ack"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().is_none(), "the command prints a line");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let left = bob.run(&["list"]).json();
    assert_eq!(left["messages"].as_array().unwrap().len(), 1);
}
