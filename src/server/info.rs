//! The public description of the server, for `/info`.

use crate::config::Settings;
use crate::events::{MAX_MESSAGE_BOX_BYTES, MAX_MESSAGE_ID_BYTES};
use crate::http::{
    Info, InfoFeatures, InfoLimits, InfoPrices, InfoQuotas, InfoRetention, LIST_PAGE, Serving,
};
use crate::ids::IdentityKey;
use crate::payments::{MAX_PAYMENT_BYTES, PAYMENT_TRANSPORTS};
use crate::rooms::RoomAccess;

use super::layer_settings::{max_body_bytes, quotas, retention, room_settings};

pub(super) fn serving(settings: &Settings) -> Serving {
    Serving {
        network: settings.wallet.network.clone(),
        websockets: settings.socket.enabled,
    }
}

pub(super) fn info(
    settings: &Settings,
    identity_key: IdentityKey,
    needs_certificates: bool,
) -> Info {
    let (server, messages) = (&settings.server, &settings.messages);
    let (max_page_messages, max_page_bytes) = LIST_PAGE;
    let quotas = quotas(settings);
    Info {
        service: "messagebox-server",
        version: env!("CARGO_PKG_VERSION"),
        identity_key: identity_key.to_hex(),
        network: settings.wallet.network.clone(),
        limits: InfoLimits {
            max_body_bytes: max_body_bytes(settings),
            max_header_bytes: server.max_header_bytes.get(),
            max_payment_bytes: MAX_PAYMENT_BYTES.min(max_body_bytes(settings)),
            max_url_bytes: server.max_url_bytes.get(),
            max_message_bytes: Some(messages.max_message_bytes).filter(|max| *max > 0),
            max_message_box_bytes: MAX_MESSAGE_BOX_BYTES,
            max_message_id_bytes: MAX_MESSAGE_ID_BYTES,
            max_recipients: messages.max_recipients.get(),
            max_page_messages,
            max_page_bytes,
            max_listed_bytes: messages.max_listed_bytes,
            max_socket_payload_bytes: settings
                .socket
                .enabled
                .then_some(settings.socket.max_payload),
            max_live_event_bytes: settings
                .socket
                .enabled
                .then(|| room_settings(settings).max_event_bytes),
        },
        prices: InfoPrices {
            routes: settings.prices.routes.clone(),
            request: settings.prices.request,
            delivery_fees: settings.fees.boxes.clone(),
            delivery_fee_per_recipient: messages.delivery_fee_per_recipient,
        },
        retention: InfoRetention {
            message_seconds: Some(messages.ttl.as_secs()).filter(|seconds| *seconds > 0),
            box_seconds: retention(settings)
                .into_iter()
                .map(|(name, time)| (name, time.as_secs()))
                .collect(),
        },
        quotas: InfoQuotas {
            max_inbox_messages: quotas.inbox.messages,
            max_inbox_bytes: quotas.inbox.bytes,
            max_sender_messages: quotas.sender.messages,
            max_sender_bytes: quotas.sender.bytes,
        },
        features: InfoFeatures {
            websockets: settings.socket.enabled,
            push_notifications: settings.push.enabled,
            certificates_required: needs_certificates,
            open_rooms: settings.rooms.access == RoomAccess::Open,
            payment_transports: PAYMENT_TRANSPORTS.split(',').collect(),
        },
    }
}
