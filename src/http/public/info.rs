//! `GET /info`: version, identity key, limits, prices and retention of the server.
//!
//! The reply is unsigned: clients must take the identity key from a handshake.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::live::Live;

use super::open_route::open_route;

/// The reply changes only with a restart.
const CACHED: (header::HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=60");

/// A description of the server, as JSON.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// The program: always `messagebox-server`.
    pub service: &'static str,
    /// Version of the server, such as `0.1.0`.
    pub version: &'static str,
    /// Identity key of the server, 66 hexadecimal characters.
    pub identity_key: String,
    /// The chain of the server's wallet, such as `mainnet`.
    pub network: String,
    /// Limits of requests, messages and lists.
    pub limits: InfoLimits,
    /// Prices of requests and deliveries.
    pub prices: InfoPrices,
    /// Lifetime of stored messages.
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
    /// Bytes of a request body.
    pub max_body_bytes: usize,
    /// Bytes of all headers of a request. One of them may carry a payment.
    pub max_header_bytes: usize,
    /// Bytes of a payment in a request body (BRC-118).
    pub max_payment_bytes: usize,
    /// Bytes of a request's path and query.
    pub max_url_bytes: usize,
    /// Bytes of a message in a list, with its payment; null: no limit.
    pub max_message_bytes: Option<usize>,
    /// Bytes of a box's name.
    pub max_message_box_bytes: usize,
    /// Bytes of a message's id.
    pub max_message_id_bytes: usize,
    /// Recipients of one message.
    pub max_recipients: usize,
    /// Messages on a page of a list.
    pub max_page_messages: i64,
    /// Bytes of a page of a list.
    pub max_page_bytes: usize,
    /// Bytes of a list for a client that asks for no page.
    pub max_listed_bytes: usize,
    /// Bytes of a Socket.IO payload or frame; null: sockets are disabled.
    pub max_socket_payload_bytes: Option<usize>,
    /// Bytes of an event that is delivered live, as JSON. A larger message is only listed. Null: sockets are disabled.
    pub max_live_event_bytes: Option<usize>,
}

/// Prices of requests and deliveries, in satoshis.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoPrices {
    /// Price of a request, by route.
    pub routes: BTreeMap<String, u64>,
    /// Price of a request to any other route.
    pub request: u64,
    /// Delivery fees that the operator has set, by box. `/permissions/quote` returns the price of a message.
    pub delivery_fees: BTreeMap<String, u64>,
    /// Whether the delivery fee is due for each recipient; otherwise once for each message.
    pub delivery_fee_per_recipient: bool,
}

impl InfoPrices {
    /// Whether nothing has a price.
    #[must_use]
    pub fn are_zero(&self) -> bool {
        let prices = self.routes.values().chain(self.delivery_fees.values());
        prices.chain([&self.request]).all(|price| *price == 0)
    }
}

/// Lifetime of messages that are not acknowledged.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoRetention {
    /// Seconds after which a message is deleted; null: no limit but its own `expiresAt`.
    pub message_seconds: Option<u64>,
    /// Seconds after which messages of single boxes are deleted, by box.
    pub box_seconds: BTreeMap<String, u64>,
}

/// How much may be stored until it is acknowledged. The server refuses messages above a quota. Null: no limit.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoQuotas {
    /// Messages to one recipient in all of its boxes.
    pub max_inbox_messages: Option<u64>,
    /// Bytes of the bodies of messages to one recipient.
    pub max_inbox_bytes: Option<u64>,
    /// Messages of one sender to all recipients.
    pub max_sender_messages: Option<u64>,
    /// Bytes of the bodies of messages of one sender.
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
    /// Whether sockets are enabled.
    pub websockets: bool,
    /// Whether devices receive push notifications.
    pub push_notifications: bool,
    /// Whether every client must show certificates.
    pub certificates_required: bool,
    /// Whether anybody may join any room; otherwise only its owner.
    pub open_rooms: bool,
    /// Ways to send a payment with a request.
    pub payment_transports: Vec<&'static str>,
}

/// Adds the route behind these prefixes.
pub(in crate::http) fn configure(
    config: &mut web::ServiceConfig,
    prefixes: &[&str],
    info: Live<Info>,
) {
    let answer = move || {
        let body = info.get();
        async move { HttpResponse::Ok().insert_header(CACHED).json(&*body) }
    };
    open_route(config, prefixes, "/info", &answer);
}
