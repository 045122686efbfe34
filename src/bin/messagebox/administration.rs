//! Asking a server as one of its admins: with the operator's token, with a key, or with neither at the server's own machine.

use std::sync::Arc;

use bytes::Bytes;
use messagebox::client::{Brc104Client, ClientError, Connector, TransportKind};
use serde_json::Value;

use crate::error::{CommandError, Exit};
use crate::key_file;
use crate::options::General;

/// The operator's token; never on the command line, where others could read it.
const TOKEN: &str = "MESSAGEBOX_ADMIN_TOKEN";

/// Whether a request changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

/// Asks for a route of admins, with its query if it has one; gives what the server answers.
pub(crate) async fn ask(
    general: &General,
    method: Method,
    route: &str,
) -> Result<Value, CommandError> {
    let connector = Connector::new(general.server.clone(), TransportKind::Websocket)
        .with_timeout(general.timeout)?;
    let token = std::env::var(TOKEN).unwrap_or_default();
    let token = Some(token.trim()).filter(|token| !token.is_empty());
    let identity = match token {
        Some(_) => None,
        None => key_file::load_if_any(general.key_file.as_deref())?,
    };
    let name = match method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let (asker, reply) = if let Some(identity) = identity {
        let client = Brc104Client::new(connector, Arc::new(identity));
        let reply = client.request(name, route, Bytes::new()).await?;
        (Asker::Key, reply.success().map(|reply| reply.body))
    } else {
        let reply = connector.request_unsigned(name, route, token).await?;
        let asker = token.map_or(Asker::Nobody, |_| Asker::Token);
        (asker, reply.success().map(|reply| reply.body))
    };
    let body = reply.map_err(|error| asker.refused(error))?;
    serde_json::from_slice(&body).map_err(|_| foreign())
}

/// What answers is no MessageBox server.
pub(crate) fn foreign() -> CommandError {
    CommandError::new(
        Exit::Protocol,
        "the server's answer is not one of a MessageBox server",
    )
    .advise("Does --server name a MessageBox server, with its path if it has one?")
}

/// As whom the server was asked.
#[derive(Clone, Copy)]
enum Asker {
    Token,
    Key,
    Nobody,
}

impl Asker {
    /// The error where the server refuses. It does not say why: it has no such route for others than admins.
    fn refused(self, error: ClientError) -> CommandError {
        let has_own_code = matches!(
            &error,
            ClientError::Refused { code, status: 404, .. } if code != "ERR_NOT_FOUND"
        );
        if has_own_code || !matches!(error.status(), Some(401 | 403 | 404)) {
            return error.into();
        }
        let advice = match self {
            Self::Token => format!("{TOKEN} must be the server's ADMIN_TOKEN."),
            Self::Key => format!(
                "Your key is no admin's (ADMIN_IDENTITIES), and the server does not trust this machine. {TOKEN} may hold its ADMIN_TOKEN."
            ),
            Self::Nobody => format!(
                "Only a server in development answers without a token or key, at its own machine. {TOKEN} may hold the server's ADMIN_TOKEN; --key-file names the key of an admin (ADMIN_IDENTITIES)."
            ),
        };
        let error = CommandError::from(error);
        let what = format!("the server does not take you for an admin: {}", error.what);
        CommandError::new(error.exit, what).advise(advice)
    }
}
