//! Whether proofs lead to blocks that were mined: asked of a block headers service, where the operator names one.

use std::fmt;
use std::time::Duration;

use bsv::transaction::ChainTracker as _;
use bsv::transaction::chaintrackers::headers_client::HeadersClient;

use super::error::PaymentError;
use super::remote_failure::RemoteFailure;

/// A block headers service.
pub struct BlockHeaders {
    client: HeadersClient,
    timeout: Duration,
}

impl fmt::Debug for BlockHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockHeaders")
    }
}

impl BlockHeaders {
    /// Asks the service at this URL, and waits so long for all that concerns one payment.
    #[must_use]
    pub fn new(url: &str, timeout: Duration) -> Self {
        Self {
            client: HeadersClient::new(url, None),
            timeout,
        }
    }

    /// Checks that each merkle root is the one of the block at its height.
    ///
    /// # Errors
    /// [`PaymentError::Invalid`] when one is not, [`PaymentError::Headers`] when the service cannot tell.
    pub async fn check(&self, roots: &[(u32, String)]) -> Result<(), PaymentError> {
        tokio::time::timeout(self.timeout, self.ask(roots))
            .await
            .unwrap_or_else(|_| Err(PaymentError::Headers("no answer in time".into())))
    }

    async fn ask(&self, roots: &[(u32, String)]) -> Result<(), PaymentError> {
        for (height, root) in roots {
            match self.client.is_valid_root_for_height(root, *height).await {
                Ok(true) => {}
                Ok(false) => {
                    let reason = format!("its proof does not lead to the block at height {height}");
                    return Err(PaymentError::Invalid(reason));
                }
                Err(error) => {
                    log::error!(
                        "the block headers service failed: {}",
                        RemoteFailure::of(&error)
                    );
                    return Err(PaymentError::Headers("the service failed".into()));
                }
            }
        }
        Ok(())
    }
}
