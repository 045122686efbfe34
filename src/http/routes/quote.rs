//! `GET /permissions/quote`: the price of a message of the caller.

use serde::Serialize;
use utoipa::ToSchema;

use crate::events::is_message_box;
use crate::http::error::{ApiError, internal_store_error};
use crate::http::reply::RouteReply;
use crate::http::state::HttpState;
use crate::ids::{IDENTITY_KEY_HEX_LEN, IdentityKey};
use crate::js_trim::js_trim;
use crate::model::FeeQuote;

use super::json_body::KEY_COST;
use super::permissions::status_of;
use super::query::RequestQuery;

/// The price of a message to one recipient.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SingleQuote {
    /// The result in words.
    description: &'static str,
    quote: QuoteAmounts,
}

/// The fees of a message in satoshis.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct QuoteAmounts {
    /// Satoshis for the server.
    delivery_fee: u64,
    /// Satoshis for the recipient; -1: the recipient blocks the caller.
    recipient_fee: i64,
}

/// The price of a message to several recipients.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ManyQuotes {
    /// A sentence that names the number of recipients.
    description: String,
    /// In the order of the request.
    quotes_by_recipient: Vec<RecipientQuote>,
    totals: QuoteTotals,
    /// Recipients that block the caller.
    blocked_recipients: Vec<String>,
}

/// The price of a message to one of several recipients.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecipientQuote {
    recipient: String,
    message_box: String,
    /// Satoshis for the server. Due once for a message, unless the operator charges it for each recipient.
    delivery_fee: u64,
    /// Satoshis for the recipient; -1: the recipient blocks the caller.
    recipient_fee: i64,
    /// `blocked`, `always_allow` or `payment_required`.
    status: &'static str,
}

/// Sums in satoshis, as for one message to each recipient. A recipient that blocks the caller adds to the server's fee only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct QuoteTotals {
    delivery_fees: u64,
    recipient_fees: u64,
    total_for_payable_recipients: u64,
}

/// Quotes a price for one or several recipients. Nothing is stored.
pub(super) async fn respond(
    caller: IdentityKey,
    query: &str,
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let (whole, max) = (query.to_owned(), state.limits.max_recipients);
    let cost = query.len() / IDENTITY_KEY_HEX_LEN * KEY_COST;
    let validated = state.off_worker(cost, move || {
        let query = RequestQuery::parse(&whole);
        let (recipients, message_box) = validate(&query, max)?;
        Ok((recipients, message_box.to_owned()))
    });
    let (recipients, message_box) = validated.await?;
    let quote = state
        .db
        .quote(caller, recipients.clone(), message_box.clone())
        .await
        .map_err(internal_store_error)?;
    Ok(
        match (recipients.as_slice(), quote.recipient_fees.first()) {
            ([_], Some(recipient_fee)) => RouteReply::success(&SingleQuote {
                description: "Message delivery quote generated.",
                quote: QuoteAmounts {
                    delivery_fee: quote.delivery_fee,
                    recipient_fee: *recipient_fee,
                },
            }),
            _ => RouteReply::success(&many(&recipients, &message_box, &quote)),
        },
    )
}

fn validate(query: &RequestQuery, max: usize) -> Result<(Vec<IdentityKey>, &str), ApiError> {
    let recipients: Vec<&str> = query
        .all("recipient")
        .map(js_trim)
        .filter(|text| !text.is_empty())
        .collect();
    let (Some(message_box), false) = (query.message_box(), recipients.is_empty()) else {
        return Err(ApiError::bad_request(
            "ERR_MISSING_PARAMETERS",
            "recipient and messageBox parameters are required.",
        ));
    };
    if !is_message_box(message_box) {
        return Err(ApiError::bad_request(
            "ERR_INVALID_MESSAGE_BOX",
            "Invalid message box.",
        ));
    }
    if recipients.len() > max {
        return Err(ApiError::bad_request(
            "ERR_TOO_MANY_RECIPIENTS",
            format!("A message may have at most {max} recipients."),
        ));
    }
    let read: Vec<Option<IdentityKey>> = recipients.iter().map(|text| text.parse().ok()).collect();
    let wrong: Vec<String> = read
        .iter()
        .enumerate()
        .filter(|(_, key)| key.is_none())
        .map(|(index, _)| index.to_string())
        .collect();
    if !wrong.is_empty() {
        let indexes = wrong.join(", ");
        return Err(ApiError::bad_request(
            "ERR_INVALID_PUBLIC_KEY",
            format!("Invalid recipient public key at index(es): {indexes}."),
        ));
    }
    Ok((read.into_iter().flatten().collect(), message_box))
}

fn many(recipients: &[IdentityKey], message_box: &str, quote: &FeeQuote) -> ManyQuotes {
    let mut totals = QuoteTotals {
        delivery_fees: 0,
        recipient_fees: 0,
        total_for_payable_recipients: 0,
    };
    let mut blocked_recipients = Vec::new();
    let mut quotes_by_recipient = Vec::with_capacity(recipients.len());
    for (recipient, fee) in recipients.iter().zip(&quote.recipient_fees) {
        totals.delivery_fees = totals.delivery_fees.saturating_add(quote.delivery_fee);
        match u64::try_from(*fee) {
            Ok(fee) => totals.recipient_fees = totals.recipient_fees.saturating_add(fee),
            Err(_) => blocked_recipients.push(recipient.to_hex()),
        }
        quotes_by_recipient.push(RecipientQuote {
            recipient: recipient.to_hex(),
            message_box: message_box.to_owned(),
            delivery_fee: quote.delivery_fee,
            recipient_fee: *fee,
            status: status_of(*fee),
        });
    }
    totals.total_for_payable_recipients =
        totals.delivery_fees.saturating_add(totals.recipient_fees);
    ManyQuotes {
        description: format!(
            "Message delivery quotes generated for {} recipients.",
            recipients.len()
        ),
        quotes_by_recipient,
        totals,
        blocked_recipients,
    }
}

/// For `fuzz/`: the parameters of a query.
#[cfg(fuzzing)]
pub(in crate::http) fn normal_form(query: &str) -> Result<serde_json::Value, ApiError> {
    let query = RequestQuery::parse(query);
    let (recipients, message_box) = validate(&query, 1_000)?;
    let recipients: Vec<String> = recipients.iter().map(IdentityKey::to_hex).collect();
    Ok(serde_json::json!({ "recipients": recipients, "messageBox": message_box }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_have_the_delivery_fee_of_every_recipient() {
        let keys: Vec<IdentityKey> = (0..3)
            .map(|_| crate::auth::Identity::random().identity_key())
            .collect();
        let quote = FeeQuote {
            delivery_fee: 10,
            per_recipient: false,
            recipient_fees: vec![5, -1, 0],
        };
        let many = many(&keys, "b", &quote);
        assert_eq!(many.blocked_recipients, [keys[1].to_hex()]);
        let totals = many.totals;
        assert_eq!(
            (
                totals.delivery_fees,
                totals.recipient_fees,
                totals.total_for_payable_recipients
            ),
            (30, 5, 35)
        );
        let statuses: Vec<_> = many.quotes_by_recipient.iter().map(|q| q.status).collect();
        assert_eq!(statuses, ["payment_required", "blocked", "always_allow"]);
    }

    #[test]
    fn keys_that_are_wrong_are_named_by_their_place() {
        let key = crate::auth::Identity::random().identity_key();
        let query = RequestQuery::parse(&format!(
            "recipient=x&recipient={key}&recipient=y&messageBox=b"
        ));
        let error = validate(&query, 3).unwrap_err();
        assert_eq!(
            error.description,
            "Invalid recipient public key at index(es): 0, 2."
        );
        assert_eq!(
            validate(&query, 2).unwrap_err().code,
            "ERR_TOO_MANY_RECIPIENTS"
        );
        let long = format!("recipient={key}&messageBox={}", "x".repeat(129));
        assert_eq!(
            validate(&RequestQuery::parse(&long), 2).unwrap_err().code,
            "ERR_INVALID_MESSAGE_BOX"
        );
        for text in ["", "recipient=&messageBox=b", "messageBox=b", "recipient=x"] {
            let query = RequestQuery::parse(text);
            assert_eq!(
                validate(&query, 2).unwrap_err().code,
                "ERR_MISSING_PARAMETERS"
            );
        }
    }
}
