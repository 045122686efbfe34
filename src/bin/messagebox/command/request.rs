//! `request`: any signed request to the server.

use std::io::{self, Read as _};
use std::sync::Arc;

use messagebox::client::{Brc104Client, Connector, TransportKind};

use crate::error::CommandError;
use crate::local::key_file;
use crate::local::output::Printer;
use crate::options::{General, Request};

/// Sends the request and prints the answer, even a refusal.
pub(crate) async fn run(
    general: &General,
    request: &Request,
    output: Printer,
) -> Result<(), CommandError> {
    let identity = Arc::new(key_file::load(general.key_file.as_deref())?);
    let body = match request.body.as_deref() {
        Some("-") => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes)?;
            bytes
        }
        Some(text) => text.as_bytes().to_vec(),
        None => Vec::new(),
    };
    let connector = Connector::new(general.server.clone(), TransportKind::Websocket)
        .with_timeout(general.timeout)?;
    let client = Brc104Client::new(connector, identity);
    let method = request.method.to_ascii_uppercase();
    let reply = client.request(&method, &request.path, body.into()).await?;
    output.print_answer(&reply.body)?;
    reply.success()?;
    Ok(())
}
