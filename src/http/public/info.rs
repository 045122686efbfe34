//! `GET /info`: version, identity key, limits, prices and retention of the server, for everybody. The route exists at the root
//! and behind the routing prefix. The reply is unsigned: clients must take the identity key from a handshake.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::signed::authenticate::respond;
use crate::live::Live;

const PATH: &str = "/info";

/// The reply changes only with a restart.
const CACHED: (header::HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=60");

/// A description of the server, as JSON.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Always `messagebox-server`.
    pub service: &'static str,
    /// Version of the server, such as `0.1.0`.
    pub version: &'static str,
    /// Identity key of the server, 66 hexadecimal characters.
    pub identity_key: String,
    /// The chain of its wallet, such as `mainnet`.
    pub network: String,
    /// Limits of requests, messages and lists.
    pub limits: InfoLimits,
    /// Prices of requests and deliveries.
    pub prices: InfoPrices,
    /// Lifetime of messages.
    pub retention: InfoRetention,
    /// How much may be stored until it is acknowledged.
    pub quotas: InfoQuotas,
    /// Optional features that are enabled.
    pub features: InfoFeatures,
}

/// Limits of requests, messages and lists.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoLimits {
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// Bytes of all headers of a request. A payment for a request may come in one.
    pub max_header_bytes: usize,
    /// Bytes of a payment that comes in the body (BRC-118).
    pub max_payment_bytes: usize,
    /// Bytes of a request's path and query.
    pub max_url_bytes: usize,
    /// Bytes of a message as a list shows it, with its payment; null: no limit.
    pub max_message_bytes: Option<usize>,
    /// Bytes of the name of a box.
    pub max_message_box_bytes: usize,
    /// Bytes of a message's id.
    pub max_message_id_bytes: usize,
    /// Recipients of a message.
    pub max_recipients: usize,
    /// Messages of a page of a list.
    pub max_page_messages: i64,
    /// Bytes of a page.
    pub max_page_bytes: usize,
    /// Bytes of a list for a client that asks for no page.
    pub max_listed_bytes: usize,
    /// Bytes of a Socket.IO payload or frame; null where sockets are not served.
    pub max_socket_payload_bytes: Option<usize>,
    /// Bytes of an event that is delivered live, as JSON; a larger message is only listed. Null where sockets are not served.
    pub max_live_event_bytes: Option<usize>,
}

/// Prices of requests and deliveries, in satoshis.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoPrices {
    /// Of a request, by route.
    pub routes: BTreeMap<String, u64>,
    /// Of a request to any other route.
    pub request: u64,
    /// For delivery, by box, as far as the operator has set them; `/permissions/quote` says what a message costs.
    pub delivery_fees: BTreeMap<String, u64>,
    /// Whether a message costs its delivery fee for each recipient; else once, however many there are.
    pub delivery_fee_per_recipient: bool,
}

impl InfoPrices {
    /// Whether the operator asks for no payment.
    #[must_use]
    pub fn are_zero(&self) -> bool {
        let prices = self.routes.values().chain(self.delivery_fees.values());
        prices.chain([&self.request]).all(|price| *price == 0)
    }
}

/// Lifetime of messages that nobody acknowledges.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoRetention {
    /// Seconds after which a message is deleted; null: when it is acknowledged, or at its own `expiresAt`.
    pub message_seconds: Option<u64>,
    /// The same for messages of single boxes, by box.
    pub box_seconds: BTreeMap<String, u64>,
}

/// How much may be stored until it is acknowledged; above that sending is refused. Null: no limit.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoQuotas {
    /// Messages to one recipient, in all of its boxes.
    pub max_inbox_messages: Option<u64>,
    /// Bytes of their bodies.
    pub max_inbox_bytes: Option<u64>,
    /// Messages of one sender, to all recipients.
    pub max_sender_messages: Option<u64>,
    /// Bytes of their bodies.
    pub max_sender_bytes: Option<u64>,
}

/// Optional features that are enabled.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a member of the answer"
)]
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoFeatures {
    /// Whether sockets are served.
    pub websockets: bool,
    /// Whether devices get push notifications.
    pub push_notifications: bool,
    /// Whether every client must show certificates.
    pub certificates_required: bool,
    /// Whether anybody may join any room; else each its own.
    pub open_rooms: bool,
    /// Ways in which a request can carry its payment.
    pub payment_transports: Vec<&'static str>,
}

/// What is said, as it is now.
#[derive(Clone)]
struct Written(Live<Info>);

/// Adds the route below each of these prefixes.
pub(in crate::http) fn configure(
    config: &mut web::ServiceConfig,
    prefixes: &[&str],
    info: Live<Info>,
) {
    config.app_data(web::Data::new(Written(info)));
    for prefix in prefixes {
        config.service(
            web::resource(format!("{prefix}{PATH}"))
                .route(web::get().to(answer))
                .route(web::head().to(answer))
                .default_service(web::route().to(respond)),
        );
    }
}

async fn answer(written: web::Data<Written>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(CACHED)
        .json(&*written.0.get())
}
