//! Requests of admins: with the operator's token, with a key, or with neither on the server's own machine.

use std::sync::Arc;

use bytes::Bytes;
use messagebox::client::{Brc104Client, ClientError, Connector, TransportKind};
use serde_json::Value;

use crate::error::{CommandError, Exit};
use crate::local::key_file;
use crate::options::General;

/// The variable of the operator's token; other users could read it on the command line.
const TOKEN: &str = "MESSAGEBOX_ADMIN_TOKEN";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

/// Sends a request to an admin route, with its query if any, and gives the answer.
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
    let (credential, reply) = if let Some(identity) = identity {
        let client = Brc104Client::new(connector, Arc::new(identity));
        let reply = client.request(name, route, Bytes::new()).await?;
        (Credential::Key, reply.success().map(|reply| reply.body))
    } else {
        let reply = connector.request_unsigned(name, route, token).await?;
        let credential = token.map_or(Credential::None, |_| Credential::Token);
        (credential, reply.success().map(|reply| reply.body))
    };
    let body = reply.map_err(|error| credential.refused(error))?;
    serde_json::from_slice(&body).map_err(|_| foreign())
}

pub(crate) fn foreign() -> CommandError {
    CommandError::new(
        Exit::Protocol,
        "the answer is not that of a MessageBox server",
    )
    .advise("Does --server name a MessageBox server, with its path if any?")
}

/// How a request authenticated.
#[derive(Clone, Copy)]
enum Credential {
    Token,
    Key,
    None,
}

impl Credential {
    /// The error for a refusal. The server does not tell why: for others than admins, the route does not exist.
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
                "Your key is not an admin's (ADMIN_IDENTITIES), and the server does not trust this machine. Set {TOKEN} to its ADMIN_TOKEN."
            ),
            Self::None => format!(
                "Only a server in development answers without a token or key, on its own machine. Set {TOKEN} to the server's ADMIN_TOKEN, or name an admin's key (ADMIN_IDENTITIES) with --key-file."
            ),
        };
        let error = CommandError::from(error);
        let what = format!("the server does not accept you as an admin: {}", error.what);
        CommandError::new(error.exit, what).advise(advice)
    }
}
