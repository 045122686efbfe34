//! Why a command failed, what to do about it, and the exit code that says so.

use std::process::ExitCode;

use messagebox::auth::KeyError;
use messagebox::client::{ClientError, Failure};
use messagebox::overlay::{OverlayError, OverlayFailure};
use thiserror::Error;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// It was done.
    Done = 0,
    /// It failed, or the server refused it.
    Failed = 1,
    /// It was asked for in a wrong way.
    Usage = 2,
    /// The server cannot be reached.
    Unreachable = 3,
    /// A key could not be used or proven.
    Authentication = 4,
    /// What answers is no MessageBox server.
    Protocol = 5,
}

/// The exit codes, as the help and the manual have them.
pub(crate) const EXIT_CODES: &str = "Exit codes:\n  \
    0  done\n  \
    1  failed, or refused by the server\n  \
    2  wrong usage\n  \
    3  the server cannot be reached\n  \
    4  authentication: a key could not be used or proven\n  \
    5  what answers does not speak the protocol";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure, for people to read.
#[derive(Debug, Error)]
#[error("{what}")]
pub(crate) struct CommandError {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What went wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            advice: None,
        }
    }

    /// The reader of standard output has gone, such as `head`. That is no failure, and nobody needs to be told.
    pub(crate) const fn unread() -> Self {
        Self {
            exit: Exit::Done,
            what: String::new(),
            advice: None,
        }
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.exit == Exit::Done
    }

    pub(crate) fn advise(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        let exit = match error.failure() {
            Failure::Unreachable => Exit::Unreachable,
            Failure::Authentication => Exit::Authentication,
            Failure::Refused => Exit::Failed,
            Failure::Protocol => Exit::Protocol,
        };
        let advice = advice(&error);
        let failure = Self::new(exit, error.to_string());
        match advice {
            Some(advice) => failure.advise(advice),
            None => failure,
        }
    }
}

impl From<OverlayError> for CommandError {
    fn from(error: OverlayError) -> Self {
        let exit = match error.kind() {
            OverlayFailure::Unreachable => Exit::Unreachable,
            OverlayFailure::Refused => Exit::Failed,
            OverlayFailure::Protocol => Exit::Protocol,
            OverlayFailure::Identity => Exit::Authentication,
        };
        let what = match &error {
            OverlayError::Wallet {
                said: Some(said), ..
            } => format!("{error}, and says: {said}"),
            _ => error.to_string(),
        };
        Self::new(exit, what).advise(error.advice())
    }
}

fn advice(error: &ClientError) -> Option<String> {
    if let ClientError::Refused {
        code,
        status,
        satoshis,
        ..
    } = error
    {
        let text = match (code.as_str(), *status) {
            (_, 402) => {
                let price =
                    satoshis.map_or(String::from("something"), |it| format!("{it} satoshis"));
                return Some(format!(
                    "The request costs {price}, and this command pays nothing: use a client with a wallet, such as AuthFetch."
                ));
            }
            ("ERR_DUPLICATE_MESSAGE", _) => {
                "Another sender has used this id for this recipient: choose another with --id or --new-id."
            }
            ("ERR_DELIVERY_BLOCKED", _) => {
                "The recipient blocks your key; only it can change that."
            }
            ("ERR_INVALID_ACKNOWLEDGMENT", _) => {
                "No message with this id is in a box of yours; it may have been acknowledged before."
            }
            ("ERR_INBOX_QUOTA_EXCEEDED", _) => {
                "The recipient has as many messages as the server keeps for one identity: try again when some are acknowledged."
            }
            ("ERR_SENDER_QUOTA_EXCEEDED", _) => {
                "The server keeps as many messages of yours as it does of one sender: try again when recipients have acknowledged some."
            }
            ("ERR_STORAGE_FULL", _) => {
                "The server's disk is full: only its operator can change that. Listing and acknowledging work."
            }
            ("ERR_PAYMENT_UNAVAILABLE", _) => {
                "The server cannot check payments now: try again later."
            }
            (_, 429 | 503) => "The server has too much to do: try again later.",
            ("CERTIFICATE_TIMEOUT", _) => {
                "The server asks for certificates, which this command cannot bring."
            }
            _ => return failure_advice(error.failure()),
        };
        return Some(text.to_owned());
    }
    failure_advice(error.failure())
}

fn failure_advice(failure: Failure) -> Option<String> {
    let text = match failure {
        Failure::Unreachable => {
            "Is the server running, and its address right (--server, MESSAGEBOX_SERVER)? `messagebox doctor` looks closer."
        }
        Failure::Authentication => {
            "Is it the server that you mean (--server), and the key (--key-file)? `messagebox doctor` looks closer."
        }
        Failure::Protocol => {
            "Does --server name a MessageBox server, with its path if it has one? `messagebox doctor` looks closer."
        }
        Failure::Refused => return None,
    };
    Some(text.to_owned())
}

impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        Self::new(Exit::Authentication, error.to_string())
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}
