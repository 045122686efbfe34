//! Plain HTTP: what a server tells everybody.

use bytes::Bytes;

use crate::outbound::http::read;

use super::MAX_ANSWER;
use super::error::ClientError;
use super::error::refusal::{self, request_id_of};
use super::transport::Connector;

/// An answer that nobody has signed.
#[derive(Debug, Clone)]
pub struct UnsignedReply {
    /// HTTP status.
    pub status: u16,
    /// The server's clock, as the header `Date` has it.
    pub date: Option<String>,
    /// The body as it came.
    pub body: Bytes,
    /// The id under which the server's operator finds the request (`x-request-id`).
    pub request_id: Option<String>,
}

impl UnsignedReply {
    /// The same reply, if its status is a success.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for any other status.
    pub fn success(self) -> Result<Self, ClientError> {
        refusal::check(self.status, self.request_id.as_deref(), &self.body)?;
        Ok(self)
    }
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

    /// Gets a route, with a query if it has one, as somebody who has a token of the server's operator. Send it over `https`
    /// only, or to this machine.
    ///
    /// # Errors
    /// As [`Self::get_unsigned`].
    pub async fn get_with_token(
        &self,
        route: &str,
        token: &str,
    ) -> Result<UnsignedReply, ClientError> {
        let url = self.address.url(&self.address.target(route));
        Self::unsigned(self.http.get(url).bearer_auth(token)).await
    }

    /// Gets a route, with a query if it has one, with neither key nor token. A server in development trusts its own machine.
    ///
    /// # Errors
    /// As [`Self::get_unsigned`].
    pub async fn get_as_nobody(&self, route: &str) -> Result<UnsignedReply, ClientError> {
        let url = self.address.url(&self.address.target(route));
        Self::unsigned(self.http.get(url)).await
    }

    /// Posts nothing to a route, with a query if it has one, as somebody who has a token of the server's operator.
    ///
    /// # Errors
    /// As [`Self::get_unsigned`].
    pub async fn post_with_token(
        &self,
        route: &str,
        token: &str,
    ) -> Result<UnsignedReply, ClientError> {
        let url = self.address.url(&self.address.target(route));
        Self::unsigned(self.http.post(url).bearer_auth(token)).await
    }

    /// Posts nothing to a route, with a query if it has one, with neither key nor token.
    ///
    /// # Errors
    /// As [`Self::get_unsigned`].
    pub async fn post_as_nobody(&self, route: &str) -> Result<UnsignedReply, ClientError> {
        let url = self.address.url(&self.address.target(route));
        Self::unsigned(self.http.post(url)).await
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
