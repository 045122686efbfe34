//! The Engine.IO endpoint and its two transports: long-polling and websocket.

mod endpoint;
mod fragments;
mod frame_lengths;
mod polling;
mod websocket;
mod websocket_body;
mod websocket_input;

pub use endpoint::{Endpoint, OpenApplication};

use actix_web::http::{Method, StatusCode, header};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError, Scope, web};

use crate::engineio::{EngineQuery, HandshakeError, TransportKind};
use crate::ids::Sid;
use crate::limits::Owner;
use crate::socket::{Application, Opening};

use super::client_address::{count_handshake, count_request};
use super::error::ApiError;

/// Serves an endpoint under `path`, such as `/socket.io`, with and without a slash at the end.
pub fn engineio_scope<A: Application>(path: &str, endpoint: Endpoint<A>) -> Scope {
    web::scope(path)
        .app_data(web::Data::new(endpoint))
        .route("", web::route().to(handle::<A>))
        .route("/", web::route().to(handle::<A>))
}

/// Refuses all requests under `path`: sockets are disabled.
#[must_use]
pub fn engineio_off(path: &str) -> Scope {
    web::scope(path)
        .route("", web::route().to(refuse_all))
        .route("/", web::route().to(refuse_all))
}

async fn refuse_all(request: HttpRequest) -> HttpResponse {
    if request.method() == Method::OPTIONS {
        return preflight(&request);
    }
    from_anywhere(HttpResponse::from_error(ApiError::not_found(
        "ERR_SOCKETS_OFF",
        "This server has no sockets (ENABLE_WEBSOCKETS is off). Send and list over HTTP.",
    )))
}

/// Allows pages of any origin to read the response.
fn from_anywhere(mut response: HttpResponse) -> HttpResponse {
    let any_origin = header::HeaderValue::from_static("*");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any_origin);
    response
}

async fn handle<A: Application>(
    request: HttpRequest,
    body: web::Payload,
    endpoint: web::Data<Endpoint<A>>,
) -> HttpResponse {
    if request.method() == Method::OPTIONS {
        return preflight(&request);
    }
    let response = respond(&request, body, &endpoint).await;
    from_anywhere(response.unwrap_or_else(HttpResponse::from_error))
}

async fn respond<A: Application>(
    request: &HttpRequest,
    body: web::Payload,
    endpoint: &Endpoint<A>,
) -> Result<HttpResponse, Error> {
    let counted_for = count_request(request, &endpoint.addresses)?;
    let query = EngineQuery::parse(request.query_string())?;
    let is_websocket = is_websocket(request);
    let holding = endpoint.bodies.hold(counted_for.map(Owner::Address));
    let Some(sid) = query.sid else {
        query.check_new_session(request.method().as_str(), is_websocket)?;
        let opening = Opening {
            sid: Sid::random(),
            remote: request.peer_addr(),
            counted_for,
        };
        count_handshake(counted_for, &endpoint.addresses)?;
        let application = (endpoint.open)(&opening).map_err(ApiError::from)?;
        return Ok(match query.transport {
            TransportKind::Polling => polling::open(endpoint, opening, application).await?,
            TransportKind::Websocket => {
                websocket::open(endpoint, opening, application, request, (body, holding))?
            }
        });
    };
    let socket = endpoint
        .table
        .get(sid)
        .ok_or(HandshakeError::SessionUnknown)?;
    Ok(
        match (query.transport, is_websocket, request.method().as_str()) {
            (TransportKind::Websocket, true, "GET") => {
                websocket::attach(endpoint, socket, request, (body, holding))?
            }
            (TransportKind::Polling, false, "GET") => polling::poll(socket).await?,
            (TransportKind::Polling, false, "POST") => {
                polling::post(socket, request, body, &endpoint.config, holding).await?
            }
            _ => return Err(HandshakeError::BadRequest.into()),
        },
    )
}

fn is_websocket(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// The error body of the protocol.
impl ResponseError for HandshakeError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(serde_json::json!({
            "code": self.code(),
            "message": self.to_string(),
        }))
    }
}

fn preflight(request: &HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET,POST"));
    let requested = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(headers) = requested {
        response
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone()))
            .insert_header((header::VARY, "Access-Control-Request-Headers"));
    }
    response.finish()
}
