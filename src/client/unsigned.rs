//! Plain HTTP, for routes that need no signature.

use bytes::Bytes;

use crate::outbound::http::read;

use super::MAX_ANSWER;
use super::brc104::method_of;
use super::error::ClientError;
use super::error::refusal::{self, request_id_of};
use super::transport::Connector;

/// A response without a signature.
#[derive(Debug, Clone)]
pub struct UnsignedReply {
    /// The HTTP status, whatever it is.
    pub status: u16,
    /// The server's clock in the header `Date`.
    pub date: Option<String>,
    /// The body as received.
    pub body: Bytes,
    /// The id of the request in the server's logs (`x-request-id`).
    pub request_id: Option<String>,
}

impl UnsignedReply {
    /// Returns the response if its status is a success.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for any other status.
    pub fn success(self) -> Result<Self, ClientError> {
        refusal::check(self.status, self.request_id.as_deref(), &self.body)?;
        Ok(self)
    }
}

impl Connector {
    /// Gets a path at the server's root without authentication, such as its health or its documents.
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
    /// [`ClientError::Http`] if there is no response, [`ClientError::TooLong`] if it exceeds 64 MiB. Every status is a
    /// response.
    pub async fn get_unsigned(&self, path: &str) -> Result<UnsignedReply, ClientError> {
        Self::unsigned(self.http.get(self.address.url(path))).await
    }

    /// Sends a request without a body to a route, which may have a query.
    ///
    /// The `token` belongs to the server's operator. Send it only over `https` or to this machine. Without a token, a
    /// server in development trusts its own machine.
    ///
    /// # Errors
    /// As [`Self::get_unsigned`].
    pub async fn request_unsigned(
        &self,
        method: &str,
        route: &str,
        token: Option<&str>,
    ) -> Result<UnsignedReply, ClientError> {
        let url = self.address.url(&self.address.target(route));
        let request = self.http.request(method_of(method)?, url);
        Self::unsigned(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    async fn unsigned(request: reqwest::RequestBuilder) -> Result<UnsignedReply, ClientError> {
        let answer = request.send().await?;
        let date = answer.headers().get("date");
        let date = date.and_then(|value| value.to_str().ok());
        Ok(UnsignedReply {
            status: answer.status().as_u16(),
            date: date.map(str::to_owned),
            request_id: request_id_of(answer.headers()),
            body: read(answer, MAX_ANSWER).await?.into(),
        })
    }
}
