//! The command `messagebox` as its users run it: the real binary with its own key.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use messagebox::auth::Identity;
use messagebox::ids::IdentityKey;
use serde_json::Value;

use super::PATIENCE;

/// A user with a key file and a server.
pub struct User {
    pub folder: tempfile::TempDir,
    server: String,
}

/// The exit code and output of a command that has ended.
pub struct Finished {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Finished {
    pub fn new(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The JSON document that a successful command printed.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    /// The text that a successful command printed for people.
    pub fn human(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.err);
        &self.out
    }
}

impl User {
    /// A user with a new key.
    pub fn of(server: &str) -> Self {
        let user = Self::without_key(server);
        assert_eq!(user.run(&["keygen"]).code, 0);
        user
    }

    pub fn without_key(server: &str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            server: server.to_owned(),
        }
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("messagebox/identity.key")
    }

    pub fn identity(&self) -> Identity {
        let hex = std::fs::read_to_string(self.key_file()).unwrap();
        Identity::from_hex(hex.trim()).unwrap()
    }

    pub fn key(&self) -> IdentityKey {
        self.identity().identity_key()
    }

    /// The command with an empty environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_messagebox"));
        command
            .args(arguments)
            .env_clear()
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env("MESSAGEBOX_SERVER", &self.server)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the command to its end. Standard output is no terminal.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::new(self.command(arguments).output().unwrap())
    }

    /// As [`Self::run`], with this standard input.
    pub fn feed(&self, arguments: &[&str], input: &[u8]) -> Finished {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Finished::new(child.wait_with_output().unwrap())
    }

    /// Sends a message and returns its id.
    pub fn send(&self, recipient: &User, body: &str, flags: &[&str]) -> String {
        let to = recipient.key().to_hex();
        let arguments = [&["send", to.as_str(), body], flags].concat();
        let sent = self.run(&arguments).json();
        sent["messageId"].as_str().unwrap().to_owned()
    }
}

/// A running command. It is killed when dropped.
pub struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// The next line of standard output.
    pub fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).expect("a line in time")
    }

    /// The next line of standard output, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Waits until standard error contains this.
    pub fn wait_for(&self, text: &str) {
        loop {
            let line = self.err.recv_timeout(PATIENCE);
            if line.expect("a line in time").contains(text) {
                return;
            }
        }
    }

    /// Whether standard error has contained this by now. Drops the lines before it.
    pub fn has_said(&self, text: &str) -> bool {
        self.err.try_iter().any(|line| line.contains(text))
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        super::signal(self.child.id(), name);
    }

    /// Sends a signal and waits for the end. Returns the exit code and the remaining lines.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, Vec<String>) {
        super::signal(self.child.id(), signal);
        let status = self.child.wait().unwrap();
        (status.code(), self.out.iter().collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}
