//! Plain HTTP: what a server tells everybody.

use bytes::Bytes;

use crate::outbound::http::read;

use super::error::ClientError;
use super::transport::{Connector, MAX_ANSWER};

/// An answer that nobody has signed.
#[derive(Debug, Clone)]
pub struct UnsignedReply {
    /// HTTP status.
    pub status: u16,
    /// The server's clock, as the header `Date` has it.
    pub date: Option<String>,
    /// The body as it came.
    pub body: Bytes,
}

impl Connector {
    /// Gets a path of the server's root without any authentication: of use for its health and its documents only.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, Connector};
    /// # async fn example(connector: Connector) -> Result<(), ClientError> {
    /// let is_healthy = connector.get_unsigned("/healthz").await?.status == 200;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Http`] when there is no answer, [`ClientError::TooLong`] for one of over 64 MiB. Any status is an
    /// answer.
    pub async fn get_unsigned(&self, path: &str) -> Result<UnsignedReply, ClientError> {
        Self::unsigned(self.http.get(self.address.url(path))).await
    }

    /// Gets a route, with a query if it has one, as somebody who has a token of the server's operator. Send it over `https` only, or to this machine.
    ///
    /// # Errors
    /// As [`Self::get_unsigned`].
    pub async fn get_with_token(
        &self,
        route: &str,
        token: &str,
    ) -> Result<UnsignedReply, ClientError> {
        let url = self.address.url(&self.address.target(route));
        let request = self.http.get(url);
        Self::unsigned(request.bearer_auth(token)).await
    }

    async fn unsigned(request: reqwest::RequestBuilder) -> Result<UnsignedReply, ClientError> {
        let answer = request.send().await?;
        let date = answer.headers().get("date");
        let date = date.and_then(|value| value.to_str().ok());
        Ok(UnsignedReply {
            status: answer.status().as_u16(),
            date: date.map(str::to_owned),
            body: read(answer, MAX_ANSWER).await?.into(),
        })
    }
}
