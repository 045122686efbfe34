//! `GET /permissions/quote`: what a message of the caller would cost.

use serde::Serialize;
use utoipa::ToSchema;

use crate::events::is_message_box;
use crate::ids::{IDENTITY_KEY_HEX_LEN, IdentityKey};
use crate::js_trim::js_trim;
use crate::model::FeeQuote;

use super::super::error::{ApiError, store_error};
use super::super::reply::Reply;
use super::super::state::HttpState;
use super::permissions::status_of;
use super::query::Query;
use super::{KEY_COST, off_worker};

/// What a message to one recipient costs.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SingleQuote {
    /// Always `success`.
    status: &'static str,
    /// That this is a quote.
    description: &'static str,
    quote: QuoteAmounts,
}

/// Fees in satoshis.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct QuoteAmounts {
    /// For the server.
    delivery_fee: u64,
    /// For the recipient; -1: it blocks the caller.
    recipient_fee: i64,
}

/// What a message to several recipients costs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ManyQuotes {
    /// Always `success`.
    status: &'static str,
    /// How many recipients there are, in words.
    description: String,
    /// In the order asked.
    quotes_by_recipient: Vec<RecipientQuote>,
    totals: QuoteTotals,
    /// Who blocks the caller.
    blocked_recipients: Vec<String>,
}

/// What a message to this recipient costs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RecipientQuote {
    /// Identity key.
    recipient: String,
    /// Which box.
    message_box: String,
    /// Satoshis for the server. Once for a message is enough, unless the server is told to ask for it for each recipient.
    delivery_fee: u64,
    /// Satoshis for the recipient; -1: it blocks the caller.
    recipient_fee: i64,
    /// `blocked`, `always_allow` or `payment_required`.
    status: &'static str,
}

/// Sums, as if a message were sent to each by itself. Who blocks the caller counts for the server's fee only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct QuoteTotals {
    delivery_fees: u64,
    recipient_fees: u64,
    total_for_payable_recipients: u64,
}

/// Quotes for one recipient or several; nothing is written.
pub(super) async fn respond(
    caller: IdentityKey,
    query: &str,
    state: &HttpState,
) -> Result<Reply, ApiError> {
    let (whole, max) = (query.to_owned(), state.limits.max_recipients);
    let cost = query.len() / IDENTITY_KEY_HEX_LEN * KEY_COST;
    let (recipients, message_box) = off_worker(state, cost, move || {
        let query = Query::parse(&whole);
        let (recipients, message_box) = validate(&query, max)?;
        Ok((recipients, message_box.to_owned()))
    })
    .await?;
    let quote = state
        .db
        .quote(caller, recipients.clone(), message_box.clone())
        .await
        .map_err(|error| store_error(&error, "ERR_INTERNAL", "An internal error has occurred."))?;
    Ok(
        match (recipients.as_slice(), quote.recipient_fees.first()) {
            ([_], Some(recipient_fee)) => Reply::ok(&SingleQuote {
                status: "success",
                description: "Message delivery quote generated.",
                quote: QuoteAmounts {
                    delivery_fee: quote.delivery_fee,
                    recipient_fee: *recipient_fee,
                },
            }),
            _ => Reply::ok(&many(&recipients, &message_box, &quote)),
        },
    )
}

fn validate(query: &Query, max: usize) -> Result<(Vec<IdentityKey>, &str), ApiError> {
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
        status: "success",
        description: format!(
            "Message delivery quotes generated for {} recipients.",
            recipients.len()
        ),
        quotes_by_recipient,
        totals,
        blocked_recipients,
    }
}

/// For `fuzz/`: what a query asks for.
#[cfg(fuzzing)]
pub(in crate::http) fn normal_form(query: &str) -> Result<serde_json::Value, ApiError> {
    let query = Query::parse(query);
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
        let query = Query::parse(&format!(
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
            validate(&Query::parse(&long), 2).unwrap_err().code,
            "ERR_INVALID_MESSAGE_BOX"
        );
        for text in ["", "recipient=&messageBox=b", "messageBox=b", "recipient=x"] {
            let query = Query::parse(text);
            assert_eq!(
                validate(&query, 2).unwrap_err().code,
                "ERR_MISSING_PARAMETERS"
            );
        }
    }
}
