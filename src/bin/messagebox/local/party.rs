//! The user's identity and the server.

use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::client::{AuthSocket, ClientError, Connector, MessageBoxClient, TransportKind};

use crate::error::CommandError;
use crate::local::key_file;
use crate::options::General;

/// Messages per request of acknowledgements.
const MAX_ACKNOWLEDGED: usize = 1_000;

/// A client with an identity and a server.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) identity: Arc<Identity>,
    pub(crate) connector: Connector,
    pub(crate) boxes: MessageBoxClient,
}

impl Party {
    /// With the user's key; connects to nothing yet.
    pub(crate) fn open(general: &General) -> Result<Self, CommandError> {
        let identity = key_file::load(general.key_file.as_deref())?;
        Self::with(identity, general)
    }

    pub(crate) fn with(identity: Identity, general: &General) -> Result<Self, CommandError> {
        let identity = Arc::new(identity);
        let connector = Connector::new(general.server.clone(), TransportKind::Websocket)
            .with_timeout(general.timeout)?;
        Ok(Self {
            boxes: MessageBoxClient::new(connector.clone(), Arc::clone(&identity)),
            connector,
            identity,
        })
    }

    /// Acknowledges any number of messages. One that is already acknowledged is not a failure.
    pub(crate) async fn acknowledge(&self, ids: &[String]) -> Result<(), ClientError> {
        for ids in ids.chunks(MAX_ACKNOWLEDGED) {
            match self.boxes.acknowledge(ids).await {
                Err(ClientError::Refused { code, .. }) if code == "ERR_INVALID_ACKNOWLEDGMENT" => {}
                result => result?,
            }
        }
        Ok(())
    }

    pub(crate) async fn socket(
        &self,
        connector: &Connector,
        general: &General,
    ) -> Result<AuthSocket, ClientError> {
        let opening = AuthSocket::connect(connector, Arc::clone(&self.identity));
        in_time(general, "opening a socket", opening).await
    }
}

/// Limits the wait for the server to --timeout.
pub(crate) async fn in_time<T>(
    general: &General,
    what: &'static str,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let waited = tokio::time::timeout(general.timeout, work).await;
    waited.unwrap_or(Err(ClientError::Timeout(what)))
}
