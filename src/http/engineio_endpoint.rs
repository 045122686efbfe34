//! The Engine.IO endpoint: what a request asks for, and which transport answers it.

use std::fmt;
use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, Scope, web};

use crate::engineio::{EngineConfig, EngineQuery, HandshakeError, TransportKind};
use crate::ids::Sid;
use crate::limits::{AddressLimits, Owner};
use crate::socket::{Application, Opening, OpeningRefused, SocketTable};

use super::authenticate::unsigned;
use super::body::BodyMemory;
use super::client_address::{count_handshake, count_request};
use super::error::ApiError;
use super::{polling, websocket};

/// An Engine.IO endpoint: its bounds, its sockets, and how an application begins on a new session.
pub struct Endpoint<A: Application> {
    /// Bounds and times.
    pub config: Arc<EngineConfig>,
    /// The sockets.
    pub table: Arc<SocketTable<A>>,
    /// Makes the application of a new session.
    pub open: OpenApplication<A>,
    /// What the bodies of polling requests, and unfinished frames, may hold together.
    pub bodies: BodyMemory,
    /// What each address may ask for.
    pub addresses: Arc<AddressLimits>,
}

/// Makes the application of a new session, or refuses it.
pub type OpenApplication<A> = Arc<dyn Fn(&Opening) -> Result<A, OpeningRefused> + Send + Sync>;

impl<A: Application> Clone for Endpoint<A> {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            table: Arc::clone(&self.table),
            open: Arc::clone(&self.open),
            bodies: self.bodies.clone(),
            addresses: Arc::clone(&self.addresses),
        }
    }
}

impl<A: Application> fmt::Debug for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("config", &self.config)
            .field("sockets", &self.table.len())
            .finish_non_exhaustive()
    }
}

/// The endpoint under `path` (such as `/socket.io`), with and without the slash at its end.
pub fn engineio_scope<A: Application>(path: &str, endpoint: Endpoint<A>) -> Scope {
    web::scope(path)
        .app_data(web::Data::new(endpoint))
        .route("", web::route().to(handle::<A>))
        .route("/", web::route().to(handle::<A>))
}

/// The same where sockets are switched off: a client that tries is told so.
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
    from_anywhere(unsigned(&ApiError::new(
        StatusCode::NOT_FOUND,
        "ERR_SOCKETS_OFF",
        "This server has no sockets (ENABLE_WEBSOCKETS is off). Send and list over HTTP.",
    )))
}

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
    from_anywhere(match respond(&request, body, &endpoint).await {
        Ok(response) => response,
        Err(Refusal::Protocol(error)) => refuse(error),
        Err(Refusal::Limit(error)) => unsigned(&error),
    })
}

/// A request that is not served.
enum Refusal {
    Protocol(HandshakeError),
    Limit(ApiError),
}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Self {
        Self::Protocol(error)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Limit(error)
    }
}

async fn respond<A: Application>(
    request: &HttpRequest,
    body: web::Payload,
    endpoint: &Endpoint<A>,
) -> Result<HttpResponse, Refusal> {
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

/// The protocol's error body. The status is 400 for all but [`HandshakeError::Forbidden`].
fn refuse(error: HandshakeError) -> HttpResponse {
    let status = match error {
        HandshakeError::Forbidden => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    HttpResponse::build(status).json(serde_json::json!({
        "code": error.code(),
        "message": error.to_string(),
    }))
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
