//! Errors of commands, with advice and exit codes.

use std::process::ExitCode;

use messagebox::auth::KeyError;
use messagebox::client::{ClientError, Failure};
use messagebox::overlay::{OverlayError, OverlayFailure};
use thiserror::Error;

/// How the command exits, with its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Done = 0,
    /// The command failed, or the server refused it.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    Unreachable = 3,
    /// A key could not be used or authenticated.
    Authentication = 4,
    /// The peer is not a MessageBox server.
    Protocol = 5,
}

/// The exit codes for the help and the manual.
pub(crate) const EXIT_CODES: &str = "Exit codes:\n  \
    0  success\n  \
    1  failed, or refused by the server\n  \
    2  wrong usage\n  \
    3  the server cannot be reached\n  \
    4  authentication failed: a key could not be used or verified\n  \
    5  the peer does not speak the protocol";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure of a command.
#[derive(Debug, Error)]
#[error("{what}")]
pub(crate) struct CommandError {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    /// What the user can do.
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

    /// The reader of standard output is gone, such as `head`. That is not a failure, and nothing is printed.
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
            } => format!("{error}; its message: {said}"),
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
                    "The request costs {price}, and this command never pays: use a client with a wallet, such as AuthFetch."
                ));
            }
            ("ERR_DUPLICATE_MESSAGE", _) => {
                "Another sender has used this id for this recipient: choose another with --id or --new-id."
            }
            ("ERR_DELIVERY_BLOCKED", _) => {
                "The recipient blocks your key; only the recipient can change that."
            }
            ("ERR_INVALID_ACKNOWLEDGMENT", _) => {
                "None of your boxes has a message with this id; it may already be acknowledged."
            }
            ("ERR_INBOX_QUOTA_EXCEEDED", _) => {
                "The recipient has reached its quota of stored messages: try again when some are acknowledged."
            }
            ("ERR_SENDER_QUOTA_EXCEEDED", _) => {
                "You have reached your quota of stored messages: try again when recipients have acknowledged some."
            }
            ("ERR_STORAGE_FULL", _) => {
                "The server's disk is full: only its operator can free space. Listing and acknowledging still work."
            }
            ("ERR_PAYMENT_UNAVAILABLE", _) => {
                "The server cannot check payments now: try again later."
            }
            (_, 429 | 503) => "The server is overloaded: try again later.",
            ("CERTIFICATE_TIMEOUT", _) => {
                "The server requires certificates, which this command cannot present."
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
            "Is the server running, and is its address right (--server, MESSAGEBOX_SERVER)? Run `messagebox doctor`."
        }
        Failure::Authentication => {
            "Are the server (--server) and the key (--key-file) the right ones? Run `messagebox doctor`."
        }
        Failure::Protocol => {
            "Does --server name a MessageBox server, with its path if any? Run `messagebox doctor`."
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
