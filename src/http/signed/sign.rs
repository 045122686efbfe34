//! Signs replies (BRC-104).

use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::auth::canonical::{Direction, SignedResponse, signed_headers};
use crate::auth::{AUTH_VERSION, Identity, message_nonce};
use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::socket::AbortHandle;

use super::exchange::Exchange;

impl Exchange<'_> {
    /// Signs a reply to the request.
    pub(in crate::http) async fn sign(&self, reply: RouteReply) -> Result<HttpResponse, ApiError> {
        let headers = reply.headers.iter();
        let headers = headers.map(|(name, value)| (*name, value.as_bytes()));
        // The server's own headers are plain texts under names that sort.
        let headers = signed_headers(headers, Direction::Response).unwrap_or_default();
        let (status, body) = (reply.status.as_u16(), reply.body.clone());
        let request_id = self.credentials.request_id;
        let digest = move || {
            SignedResponse {
                request_id: &request_id,
                status,
                headers: &headers,
                body: &body,
            }
            .digest()
        };
        let heavy = &self.state.heavy;
        let digest = heavy.run(self.address, reply.body.len(), digest).await?;
        let nonce = message_nonce();
        let session = self.session();
        let signature = session.sign(&nonce, &digest).map_err(|error| {
            log::error!("a response could not be signed: {error}");
            ApiError::internal(
                "ERR_RESPONSE_SIGNING_FAILED",
                "The response could not be signed.",
            )
        })?;
        let mut response = reply.start();
        let nonces = [nonce.as_str(), session.peer_nonce()];
        insert_auth_headers(&mut response, &self.state.identity, nonces, &signature);
        let kill = self.request.conn_data::<AbortHandle>().cloned();
        Ok(response
            .insert_header(("x-bsv-auth-request-id", &*self.credentials.request_id_text))
            .body(self.state.readers.track(reply.body, kill)))
    }
}

/// Inserts the headers of every signed response. The nonces are the server's and the client's.
pub(super) fn insert_auth_headers(
    response: &mut HttpResponseBuilder,
    identity: &Identity,
    [nonce, your_nonce]: [&str; 2],
    signature: &[u8],
) {
    response
        .insert_header(("x-bsv-auth-version", AUTH_VERSION))
        .insert_header(("x-bsv-auth-identity-key", identity.identity_key().to_hex()))
        .insert_header(("x-bsv-auth-nonce", nonce))
        .insert_header(("x-bsv-auth-your-nonce", your_nonce))
        .insert_header(("x-bsv-auth-signature", hex::encode(signature)));
}
